#!/bin/sh
# libration.so exports exactly the names in symbols.list, each declared in a public header. A name
# that is gone breaks the promise of doc/ABI.md; a new one is added to the list on purpose.
. "${srcdir:-.}/tests/checks/lib.sh"
library=src/.libs/libration.so
list=$top/tests/checks/symbols.list
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

[ -e "$library" ] || {
	echo "$library: not built here"
	exit 99
}
${NM:-nm} -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
	sort >"$work/exported"
diff -u "$list" "$work/exported" || complain "exported names are not those of symbols.list"

# "RATION_EXPORT type name(", over line ends; ration_x_fn and the like are types
cat "$top"/include/ration/*.h | tr '\n\t' '  ' |
	grep -oE 'RATION_EXPORT [^(;#]*ration_[a-z0-9_]*\(' | sed 's/.*[ *]\(ration_[a-z0-9_]*\)($/\1/' |
	sort >"$work/declared"
diff -u "$list" "$work/declared" || complain "declared names are not those of symbols.list"
exit $failed
