# RATION_SANITIZER: --with-sanitizer=LIST adds -fsanitize=LIST to everything that is built here.
AC_DEFUN([RATION_SANITIZER], [
	AC_ARG_WITH([sanitizer], [AS_HELP_STRING([--with-sanitizer=LIST],
		[build with sanitizers: address,undefined or thread @<:@none@:>@])],
		[], [with_sanitizer=no])
	RATION_SANITIZER_FLAGS=
	AS_CASE([$with_sanitizer], [no|none], [with_sanitizer=none],
		[yes], [AC_MSG_ERROR([--with-sanitizer needs a list, such as address,undefined])],
		[RATION_SANITIZER_FLAGS="-fsanitize=$with_sanitizer -fno-omit-frame-pointer -fno-sanitize-recover=undefined"
		 save_CFLAGS=$CFLAGS; CFLAGS="$CFLAGS $RATION_SANITIZER_FLAGS"
		 AC_LINK_IFELSE([AC_LANG_PROGRAM()], [],
			[AC_MSG_ERROR([the compiler cannot build with -fsanitize=$with_sanitizer])])
		 CFLAGS=$save_CFLAGS])
	AC_SUBST([RATION_SANITIZER_FLAGS])
	AM_CONDITIONAL([SANITIZER], [test "$with_sanitizer" != none])
	AM_CONDITIONAL([SANITIZER_THREAD], [test "$with_sanitizer" = thread])
])

# RATION_WERROR: --enable-werror, for continuous integration.
AC_DEFUN([RATION_WERROR], [
	AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [treat warnings as errors])],
		[], [enable_werror=no])
	RATION_WERROR_FLAGS=
	AS_IF([test "$enable_werror" = yes], [RATION_WERROR_FLAGS=-Werror])
	AC_SUBST([RATION_WERROR_FLAGS])
])

# RATION_FEATURE(NAME, WHAT, PREFIX, MODULES): --enable-NAME=auto|yes|no; yes fails when it cannot.
AC_DEFUN([RATION_FEATURE], [
	AC_ARG_ENABLE([$1], [AS_HELP_STRING([--enable-$1], [build $2 @<:@auto@:>@])],
		[], [enable_$1=auto])
	AS_IF([test "$enable_$1" != no],
		[PKG_CHECK_MODULES([$3], [$4], [enable_$1=yes],
			[AS_IF([test "$enable_$1" = yes],
				[AC_MSG_ERROR([--enable-$1 needs $4])], [enable_$1=no])])])
	AM_CONDITIONAL([BUILD_]m4_toupper([$1]), [test "$enable_$1" = yes])
])
