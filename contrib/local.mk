EXTRA_DIST += contrib/quickstart.sh contrib/check.sh
