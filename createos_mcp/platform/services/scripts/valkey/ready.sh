until [ "$(ask ping 2> /dev/null)" = PONG ]; do sleep 0.1; done
