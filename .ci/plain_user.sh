#!/bin/sh
# The tests of the sandbox and of Docker as an ordinary user, who has neither root's rights nor control groups.
set -eu
cd "$(dirname "$0")/.."

user=createos-tests
id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/sh "$user"
home=$(getent passwd "$user" | cut -d: -f6)

# Its own copy, since the checkout may lie where it has no access.
rm -rf "$home/checkout"
mkdir "$home/checkout"
git ls-files -z | tar --create --null --files-from=- | tar --extract --directory="$home/checkout"
git init --quiet "$home/checkout"
chown -R "$user:" "$home/checkout"

cd "$home/checkout"
as_user() {
  setpriv --reuid="$user" --regid="$user" --init-groups \
    env --unset=PYENV_ROOT HOME="$home" USER="$user" TEST_REQUIRE_ALL=1 \
    PATH="$home/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$@"
}
python=/usr/bin/python3
[ -x "$python" ] && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || python=python3
as_user make .venv/.ready PYTHON="$python"
as_user .venv/bin/pytest -n auto --dist loadfile -p no:cacheprovider \
  -k "not rust" tests/platform/sandbox tests/platform/build tests/platform/deploy \
  tests/platform/services
# What the kernel lets an ordinary user do for its own processes alone.
as_user .venv/bin/pytest -m examples -p no:cacheprovider -k postgres_itself \
  tests/platform/services/test_clients.py
# Rootless Docker; where it has no control groups, it limits nothing.
as_user env TEST_ENGINE=rootless .venv/bin/pytest -m "rootless or engines" -p no:cacheprovider \
  -k "not processes and not a_volume_of_an_image" tests/platform/engines/test_rootless.py \
  tests/platform/engines/test_images.py tests/platform/engines/test_dockerfiles.py \
  tests/platform/engines/test_image_services.py \
  tests/platform/engines/test_registry_credentials.py
