#!/bin/sh
# No source file is longer than 500 lines: a longer one has two responsibilities.
. "${srcdir:-.}/tests/checks/lib.sh"
most=500
for file in "$top"/include/ration/*.h "$top"/src/*/*.[ch]; do
	lines=$(wc -l <"$file")
	[ "$lines" -le $most ] || complain "${file#"$top"/}: $lines lines, at most $most"
	awk 'length($0) > 0 { exit !/^\/\*/ }' "$file" ||
		complain "${file#"$top"/} does not begin with a comment that says its purpose"
done
exit $failed
