until pg_isready -q -h "$HOME/run"; do sleep 0.1; done
