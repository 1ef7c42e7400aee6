# make lint: gcc, clang, cppcheck and clang-tidy check each C file, and any complaint makes it fail. A file that
# passed is checked again when the file, one of our headers or a rule has changed (build/lint). The tools are those
# of Debian 12 and 13. Later versions have more warnings, some of which may have to be turned off below.
#
# clang's analyzer, which clang-tidy brings, takes as long as all the others. make test leaves it to make test-long.

LINT     := $(BUILD)/lint
# Without t/sanitize: its functions replace those of libc and APR and are declared like them, which no checker accepts.
LINT_SRC := $(SRC) $(filter-out t/sanitize/%,$(sort $(wildcard t/*/*.c))) $(sort $(wildcard bench/*.c bench/*/*.c))
LINT_OK  := $(LINT_SRC:%.c=$(LINT)/%.ok)
LINT_DEEP := $(patsubst %.c,$(LINT)/%.deep,$(filter-out bench/%,$(LINT_SRC)))

# Headers of other projects count as system headers, so their warnings are not shown. Evaluated once.
LINT_INCLUDES = $(eval LINT_INCLUDES := -Isrc -It/00-unit -Ibench $(APR_CPPFLAGS) \
                    $(patsubst -I%,-isystem %,$(APR_INCLUDES) $(HTTPD_CFLAGS) $(LIB_INCLUDES)))$(LINT_INCLUDES)

# gcc runs with optimization, because some warnings need it to follow values. Its warnings that are not used:
#   -Wcast-qual, -Wcast-align=strict, -Wbad-function-cast   for the same reasons as with clang, below
#   -Wswitch-enum, -Wswitch-default       one forbids what the other demands; -Wswitch (-Wall) is enough
#   -Wlogical-op            EAGAIN is EWOULDBLOCK here, but not on every system
#   -Wformat-truncation=2   snprintf() is used to truncate
#   -Wstrict-aliasing=2, -Wstrict-overflow, -Winline, -Wpadded, -Wsuggest-attribute=…   advice, or guesses
#   -Wstack-usage=          a db thread has its batches on the stack, on purpose
#   -fanalyzer              a single finding in src/, which was wrong; clang-tidy has clang's analyzer
LINT_GCC := gcc -std=gnu11 -O2 -Werror $(WARNINGS) -Wpedantic -Wconversion -Wsign-conversion -Wundef \
            -Wwrite-strings -Wnull-dereference -Wimplicit-fallthrough=5 -Wformat-signedness \
            -Wformat-overflow=2 -Warray-bounds=2 -Wstringop-overflow=4 -Wshift-overflow=2 -Walloca \
            -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init -Wold-style-definition \
            -Wnested-externs -Wredundant-decls -Wfloat-equal -Wdouble-promotion -Wunused-macros -Wdate-time \
            -Wtrampolines

# clang: all its warnings, except
#   -Wpadded                    reports every gap in a structure
#   -Wcast-qual                 sendmsg(), httpd and the tables of directives have no const where they only read
#   -Wcast-align                reports the way from a member to its structure by offsetof()
#   -Wswitch-enum               forbids a default
#   -Wbad-function-cast         reports an enum that is read from a number
#   -Wmissing-noreturn          reports callbacks of tests that must not be called
#   -Wused-but-marked-unused, -Wdisabled-macro-expansion    report macros of Check and of glibc
# Of the warnings that only Debian 13's clang 19 has (clang 14 ignores them by -Wno-unknown-warning-option):
#   -Wunsafe-buffer-usage       reports all pointer arithmetic and indexes; only C++ has the alternative
#   -Wanon-enum-enum-conversion reports the cell of a metric: its first cell plus the value of its label (metrics.h)
#   -Wcast-function-type-strict reports APR's optional hooks, which are registered as functions without arguments
#   -Wpre-c11-compat            reports C11
#   -Wswitch-default            demands a default where each value has its case, which -Wcovered-switch-default forbids
LINT_CLANG := clang -std=gnu11 -Werror -Weverything -Wno-padded -Wno-cast-qual -Wno-cast-align -Wno-switch-enum \
              -Wno-bad-function-cast -Wno-missing-noreturn -Wno-used-but-marked-unused \
              -Wno-disabled-macro-expansion -Wno-unknown-warning-option -Wno-unsafe-buffer-usage \
              -Wno-anon-enum-enum-conversion -Wno-cast-function-type-strict -Wno-pre-c11-compat \
              -Wno-switch-default

# cppcheck, without "information" and "unusedFunction", which need all files at once.
LINT_CPPCHECK := cppcheck --quiet --std=c11 --enable=warning,style,performance,portability --error-exitcode=1 \
                 --inline-suppr --suppressions-list=t/lint/cppcheck.txt --library=posix,gnu,openssl \
                 --template='{file}:{line}: {severity}: {message} [{id}]'

# clang-tidy, with the checks in .clang-tidy. max-nodes limits the states that the analyzer follows in a function. Its
# default, 225000, takes more than twice as long over all files and has found nothing more in src/.
LINT_TIDY     := clang-tidy --quiet
LINT_SHALLOW  := --checks='-clang-analyzer-*'
LINT_ANALYZER := --checks='-bugprone-*,-cert-*,-concurrency-*,-misc-*,-performance-*,-portability-*,-readability-*'
LINT_NODES    := -Xclang -analyzer-config -Xclang max-nodes=30000

# The implementation for systems without epoll. No other rule compiles it on Linux.
$(LINT)/src/engine/poller_apr.ok $(LINT)/src/engine/poller_apr.deep: LINT_DEFINES := -DTC_POLLER_APR

.PHONY: lint lint-deps lint-files lint-analyzer lint-all lint-deep

lint-deps:
	@conf/demo/install-packages build test lint

lint: lint-deps
	@$(MAKE) --no-print-directory lint-files lint-analyzer

LINT_MAKE = $(MAKE) --no-print-directory --keep-going --jobs=$$((2 * $(CORES))) --output-sync=target

lint-files:
	@$(LINT_MAKE) lint-all

lint-analyzer:
	@$(LINT_MAKE) lint-deep

lint-all: $(LINT_OK)
	@echo 'No complaint about $(words $^) files.'

lint-deep: $(LINT_DEEP)
	@echo "clang's analyzer has no complaint about $(words $^) files."

# clang-tidy counts suppressed warnings on stderr, and goes on when it cannot read .clang-tidy: hence the greps.
# $(call tidy,options,flags)
tidy = $(LINT_TIDY) $1 $< -- -std=gnu11 $2 $(LINT_INCLUDES) $(LINT_DEFINES) 2>$@.err && ! grep -qi error $@.err \
       || { grep -v generated $@.err >&2; exit 1; }

LINT_RULES := t/lint/rules.mk t/lint/cppcheck.txt .clang-tidy t/.clang-tidy

# Only gcc sees the assertions of test builds. The programs of bench/ only have to compile without a warning: cppcheck
# and clang-tidy do not check them.
$(LINT)/%.ok: %.c $(LINT_RULES)
	@mkdir -p $(@D)
	@$(LINT_GCC) $(LINT_INCLUDES) $(LINT_DEFINES) -DTC_CHECK_THREADS -MMD -MP -MT $@ -MF $(@:.ok=.d) \
	    -c -o /dev/null $<
	@$(LINT_CLANG) $(LINT_INCLUDES) $(LINT_DEFINES) -fsyntax-only $<
	@$(if $(filter bench/%,$<),,$(LINT_CPPCHECK) $(patsubst -isystem,-I,$(LINT_INCLUDES)) $(LINT_DEFINES) $<)
	@$(if $(filter bench/%,$<),,$(call tidy,$(LINT_SHALLOW),))
	@touch $@

$(LINT)/%.deep: %.c $(LINT_RULES)
	@mkdir -p $(@D)
	@$(CC) -std=gnu11 $(LINT_INCLUDES) $(LINT_DEFINES) -MM -MP -MT $@ -MF $@.d $<
	@$(call tidy,$(LINT_ANALYZER),$(LINT_NODES))
	@touch $@

-include $(wildcard $(LINT)/*.d $(LINT)/*/*.d $(LINT)/*/*/*.d)
