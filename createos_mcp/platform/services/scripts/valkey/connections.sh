ask client list | grep -c 'user=b'
true
