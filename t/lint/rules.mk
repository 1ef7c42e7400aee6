# make lint: each C file goes through gcc, clang, cppcheck and clang-tidy, and any complaint fails it. A file
# that passed is gone through again when it, a header of ours or a rule has changed (build/lint). The tools are
# Debian 12's: a later one knows more, and may want more of its warnings named below.

LINT     := $(BUILD)/lint
# What stands before functions of libc and APR (t/sanitize) is declared as they are, which no checker likes.
LINT_SRC := $(SRC) $(filter-out t/sanitize/%,$(sort $(wildcard t/*/*.c))) $(sort $(wildcard bench/*.c bench/*/*.c))
LINT_OK  := $(LINT_SRC:%.c=$(LINT)/%.ok)

# Others' headers are the system's: their warnings are theirs. Found out once.
LINT_INCLUDES = $(eval LINT_INCLUDES := -Isrc -It/00-unit -Ibench $(APR_CPPFLAGS) \
                    $(patsubst -I%,-isystem %,$(APR_INCLUDES) $(HTTPD_CFLAGS) $(LIB_INCLUDES)))$(LINT_INCLUDES)

# gcc, optimizing, since some are found by following values. What it has beyond, and is not here:
#   -Wcast-qual, -Wcast-align=strict, -Wbad-function-cast   as with clang, below
#   -Wswitch-enum, -Wswitch-default       the one forbids what the other demands; -Wswitch (-Wall) is enough
#   -Wlogical-op            EAGAIN is EWOULDBLOCK here, not everywhere
#   -Wformat-truncation=2   snprintf() is there to truncate
#   -Wstrict-aliasing=2, -Wstrict-overflow, -Winline, -Wpadded, -Wsuggest-attribute=…   advice, or guesses
#   -Wstack-usage=          the batches of a db thread stand on its stack, on purpose
#   -fanalyzer              one finding in src/, and that mistaken; clang's analyzer is in clang-tidy
LINT_GCC := gcc -std=gnu11 -O2 -Werror $(WARNINGS) -Wpedantic -Wconversion -Wsign-conversion -Wundef \
            -Wwrite-strings -Wnull-dereference -Wimplicit-fallthrough=5 -Wformat-signedness \
            -Wformat-overflow=2 -Warray-bounds=2 -Wstringop-overflow=4 -Wshift-overflow=2 -Walloca \
            -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init -Wold-style-definition \
            -Wnested-externs -Wredundant-decls -Wfloat-equal -Wdouble-promotion -Wunused-macros -Wdate-time \
            -Wtrampolines

# clang: all it has, but
#   -Wpadded                    says where the gaps in a structure are
#   -Wcast-qual                 sendmsg(), httpd's and the tables of directives take as theirs what they only read
#   -Wcast-align                from a member to its structure, by offsetof()
#   -Wswitch-enum               forbids a default
#   -Wbad-function-cast         an enum is read from a number
#   -Wmissing-noreturn          a test's callback that must not be called
#   -Wused-but-marked-unused, -Wdisabled-macro-expansion    in macros of Check and of glibc
LINT_CLANG := clang -std=gnu11 -Werror -Weverything -Wno-padded -Wno-cast-qual -Wno-cast-align -Wno-switch-enum \
              -Wno-bad-function-cast -Wno-missing-noreturn -Wno-used-but-marked-unused \
              -Wno-disabled-macro-expansion

# cppcheck, without its information and unusedFunction, which speak of the whole and not of a file.
LINT_CPPCHECK := cppcheck --quiet --std=c11 --enable=warning,style,performance,portability --error-exitcode=1 \
                 --inline-suppr --suppressions-list=t/lint/cppcheck.txt --library=posix,gnu,openssl \
                 --template='{file}:{line}: {severity}: {message} [{id}]'

# clang-tidy as .clang-tidy says. The analyzer may follow so many states in a function: its default, 225000,
# takes more than twice as long for all and has found nothing more in src/.
LINT_TIDY       := clang-tidy --quiet
LINT_TIDY_FLAGS := -std=gnu11 -Xclang -analyzer-config -Xclang max-nodes=30000

# The implementation for elsewhere: nothing else compiles it here.
$(LINT)/src/engine/poller_apr.ok: LINT_DEFINES := -DTC_POLLER_APR

.PHONY: lint lint-deps lint-files

lint-deps:
	@conf/demo/install-packages build test lint

lint: lint-deps
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target lint-files

lint-files: $(LINT_OK)
	@echo 'Nothing to say of $(words $^) files.'

# gcc sees the assertions of test builds, the others do without. The programs of bench/ only have to compile
# without a warning: cppcheck and clang-tidy leave them out. clang-tidy counts what it leaves out on stderr, and goes
# on where it cannot read .clang-tidy.
$(LINT)/%.ok: %.c t/lint/rules.mk t/lint/cppcheck.txt .clang-tidy t/.clang-tidy
	@mkdir -p $(@D)
	@$(LINT_GCC) $(LINT_INCLUDES) $(LINT_DEFINES) -DTC_CHECK_THREADS -MMD -MP -MT $@ -MF $(@:.ok=.d) \
	    -c -o /dev/null $<
	@$(LINT_CLANG) $(LINT_INCLUDES) $(LINT_DEFINES) -fsyntax-only $<
	@$(if $(filter bench/%,$<),,$(LINT_CPPCHECK) $(patsubst -isystem,-I,$(LINT_INCLUDES)) $(LINT_DEFINES) $<)
	@$(if $(filter bench/%,$<),,$(LINT_TIDY) $< -- $(LINT_TIDY_FLAGS) $(LINT_INCLUDES) $(LINT_DEFINES) \
	    2>$(@:.ok=.err) && ! grep -qi error $(@:.ok=.err) || { grep -v generated $(@:.ok=.err) >&2; exit 1; })
	@touch $@

-include $(wildcard $(LINT)/*.d $(LINT)/*/*.d $(LINT)/*/*/*.d)
