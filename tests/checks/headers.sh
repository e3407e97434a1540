#!/bin/sh
# Each public header compiles alone, without a warning, as C99, C11 and C++.
. "${srcdir:-.}/tests/checks/lib.sh"
strict="-Wall -Wextra -Wpedantic -Werror -fsyntax-only -I$top/include"
cxx=${CXX:-g++}
command -v "${cxx%% *}" >/dev/null 2>&1 || {
	echo "no C++ compiler: C only"
	cxx=
}
seen=0
for header in "$top"/include/ration/*.h; do
	name=ration/${header##*/}
	seen=$((seen + 1))
	for dialect in c99 c11; do
		# shellcheck disable=SC2086
		printf '#include <%s>\n' "$name" |
			${CC:-cc} -std=$dialect -Wstrict-prototypes $strict -x c - ||
			complain "$name does not compile alone as $dialect"
	done
	for dialect in ${cxx:+c++11 c++17}; do
		# shellcheck disable=SC2086
		printf '#include <%s>\n' "$name" | $cxx -std=$dialect $strict -x c++ - ||
			complain "$name does not compile alone as $dialect"
	done
done
[ $seen -ge 5 ] || complain "only $seen headers seen: the check itself is broken"
exit $failed
