set -eu
[ -d former ] || exit 0
rm -rf data
mv former data
