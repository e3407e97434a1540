#!/bin/sh
# A layer includes only what stands below it; doc/ARCHITECTURE.md has the picture.
. "${srcdir:-.}/tests/checks/lib.sh"

# below LAYER: itself and all that it may include
below() {
	case $1 in
	base) echo base ;;
	policy | observe | store) echo "$1 base" ;; # none of the three knows another
	guard) echo "guard policy observe store base" ;;
	http) echo "http $(below guard)" ;;
	pool | config) echo "$1 $(below http)" ;;
	client) echo "client pool config $(below http)" ;;
	cli) echo "cli $(below client)" ;;
	testserver) echo testserver ;; # knows nothing of the library
	esac
}

seen=0
for folder in "$top"/src/*/; do
	layer=$(basename "$folder")
	may=" $(below "$layer") "
	[ "$may" != "  " ] || {
		complain "src/$layer: no such layer"
		continue
	}
	for file in "$folder"*.[ch]; do
		[ -e "$file" ] || continue
		seen=$((seen + 1))
		for included in $(sed -n 's/^[ \t]*#[ \t]*include[ \t]*"\([^"]*\)".*/\1/p' "$file"); do
			case $included in
			config.h) continue ;; # of configure
			*/*) ;;
			*) complain "src/$layer/${file##*/}: \"$included\" names no layer" ;;
			esac
			case $may in
			*" ${included%%/*} "*) ;;
			*) complain "src/$layer/${file##*/} includes $included, which is not below it" ;;
			esac
		done
		# the public interface is above all but client and cli: only its vocabulary may be used
		[ "$layer" != testserver ] || ! grep -n '#include <ration/' "$file" ||
			complain "src/testserver/${file##*/} includes the library"
	done
done
[ $seen -gt 50 ] || complain "only $seen files seen: the check itself is broken"
exit $failed
