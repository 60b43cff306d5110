import signal
import threading

stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())

ATTEMPTS = 5


class Queue:
    """Replace this by your own: `take` returns a job or None, `done` forgets it."""

    def __init__(self):
        self.count = 0

    def take(self):
        self.count += 1
        return {"id": self.count, "name": "example"}

    def done(self, job):
        pass


def work(job):
    print(f"job {job['id']}: {job['name']}", flush=True)


queue = Queue()
print("worker ready", flush=True)
while not stopping.is_set():
    job = queue.take()
    if job is None:
        stopping.wait(1)
        continue
    for attempt in range(1, ATTEMPTS + 1):
        try:
            work(job)
        except Exception as error:
            print(f"job {job['id']} failed, attempt {attempt}: {error}", flush=True)
            stopping.wait(2**attempt)
        else:
            break
    queue.done(job)
    stopping.wait(10)
print("worker stopped", flush=True)
