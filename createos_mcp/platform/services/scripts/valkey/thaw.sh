ask config set min-replicas-to-write 0
