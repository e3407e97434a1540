# What a stranger runs; none of it is installed.
EXTRA_DIST += contrib/bench.sh contrib/check.sh contrib/common.sh contrib/packages.sh \
	contrib/quickstart.sh .ci/run .ci/fresh .ci/listed
