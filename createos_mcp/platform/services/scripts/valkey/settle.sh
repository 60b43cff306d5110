if [ -n "$KEEP" ]; then # It could not be backed up.
  rm -rf broken
  mv former broken
fi
rm -rf former
