rm -rf former
