# Without a replica that has the writes none are taken: https://valkey.io/topics/replication/
ask config set min-replicas-to-write 1
