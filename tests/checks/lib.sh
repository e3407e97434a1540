# For the checks of the tree: top is the source tree, complain says what is wrong. Sourced.
set -u
top=${srcdir:-.}
LC_ALL=C
export LC_ALL
failed=0
complain() {
	echo "$*"
	failed=1
}
