# mod_tripchat. `make run` starts the demo, `make test` runs the tests. On Debian and Ubuntu both install the packages that
# they need, and so do the targets named …deps and test-…. All other targets only say what is missing.
#
#   make              build the module                 make deps         install what the build and the demo need
#   make install      module, SQL, client, documents (DESTDIR, prefix, docdir, datadir)      make uninstall
#   make check-unit   the unit tests as a packager runs them: no sanitizer, server, network or root
#   make run          the demo in the foreground       make token USER=ann
#   make run STACK=full [PEER=1]                       with PostgreSQL and Redis; PEER: a second server with the same
#   make grant USER=carol [TRIP=…]                     make revoke USER=carol [TRIP=…]
#   make test         every feature, lint and unit tests: minutes
#   make test-long    storms, sanitizers, packages, soak, fuzz: half an hour         make test-all     all there is: hours
#   make test-unit    the pure layers, sanitized
#   make test-matrix [SYSTEMS=…]                       the unit tests over the libraries of Debian's releases, PostgreSQL 13 (t/matrix/run)
#   make test-browser the client, in Node and Chromium
#   make test-asan    the suites with httpd under AddressSanitizer and UBSan
#   make test-tsan    the threads' unit tests and the suites under ThreadSanitizer
#   make test-leaks   ten thousand connections under valgrind
#   make soak TIME=60 load and reloads for so many seconds: the servers must not grow
#   make fuzz TIME=60 [TARGET=reader]                  the parsers under libFuzzer, so many seconds each
#   make lint         gcc, clang, cppcheck and clang-tidy over all sources
#   make echo         a WebSocket echo server made of the module's code, for conformance clients (PORT=9001)
#   make dist         the sources as a tar file        make deb        Debian packages (make test-deb tries them)
#   make rpm          packages for RHEL and others     make test-rpm     builds and checks them with Debian's rpmbuild
#   make test-release RELEASE=trixie                   `make test` and the test of the package in another Debian, as root
#   make bench        build bench/                     make clean        remove what was built

ifeq ($(filter output-sync,$(.FEATURES)),)
$(error GNU make 4.0 or newer is needed, and this is $(MAKE_VERSION). On BSD and macOS it is often called gmake)
endif

comma    := ,
VERSION  := $(shell cat VERSION)
BUILD    := build
MODULE   := $(BUILD)/mod_tripchat.so

# Only for these targets conf/demo/install-packages may install packages. TC_NO_INSTALL=1 in the environment forbids that.
ifneq ($(filter deps %-deps run test test-%,$(MAKECMDGOALS)),)
export TC_INSTALL := 1
endif

# ---- where httpd, APR and the libraries are ----

ifeq ($(origin APXS),undefined)
APXS := $(or $(firstword $(foreach name,apxs apxs2 /usr/sbin/apxs,$(shell command -v $(name) 2>/dev/null))),apxs)
endif
export APXS
TC_APXS ?= $(APXS)
export TC_APXS

# $(call once,NAME,VALUE): VALUE, evaluated once, when NAME is first used. A target …-deps may install apxs or pkg-config
# before that.
once = $(eval $(1) := $(2))$($(1))

# $(call ask_apxs,NAME): apxs's value of NAME; empty without apxs
ask_apxs = $(shell $(APXS) -q $(1) 2>/dev/null)

# The APR of this httpd, because PATH may have another APR.
ifeq ($(origin APR_CONFIG),undefined)
APR_CONFIG    = $(call once,APR_CONFIG,$(or $(call ask_apxs,APR_CONFIG),apr-1-config))
endif
ifeq ($(origin APU_CONFIG),undefined)
APU_CONFIG    = $(call once,APU_CONFIG,$(or $(call ask_apxs,APU_CONFIG),apu-1-config))
endif
ask_apr       = $(shell $(APR_CONFIG) $(1) 2>/dev/null) $(if $(2),$(shell $(APU_CONFIG) $(2) 2>/dev/null))
APR_CPPFLAGS  = $(call once,APR_CPPFLAGS,$(call ask_apr,--cppflags))
APR_INCLUDES  = $(call once,APR_INCLUDES,$(call ask_apr,--includes,--includes))
APR_LIBS      = $(call once,APR_LIBS,$(call ask_apr,--link-ld,--link-ld))

# $(call ask_pkg_config,OPTION,LIBRARY…): pkg-config's answer; empty if it does not know a library
PKG_CONFIG     ?= pkg-config
ask_pkg_config  = $(shell $(PKG_CONFIG) $(1) $(2) 2>/dev/null)

# pkg-config's name of each library. After the colon: the linker flag if pkg-config does not know the library. Of the
# compiler flags only the folders (-I) are used, because APR says how large a file offset is.
LIBRARIES    := json-c:-ljson-c libjwt:-ljwt hiredis:-lhiredis zlib:-lz libssl:-lssl libcrypto:-lcrypto
name_of       = $(firstword $(subst :, ,$(1)))
includes_of   = $(call ask_pkg_config,--cflags-only-I,$(call name_of,$(1)))
link_of       = $(or $(call ask_pkg_config,--libs,$(call name_of,$(1))),$(lastword $(subst :, ,$(1))))
LIB_INCLUDES  = $(call once,LIB_INCLUDES,$(sort $(foreach lib,$(LIBRARIES),$(call includes_of,$(lib)))))
LIBS          = $(call once,LIBS,$(foreach lib,$(LIBRARIES),$(call link_of,$(lib))))

# ---- how it is compiled ----

CC       ?= cc
WARNINGS := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
            -Wno-sign-conversion -Wformat=2 -Wvla
OPTIMIZE ?= -O2 -g
# What Debian's hardening=+all sets, for builds that set nothing. Packagers set CFLAGS and LDFLAGS themselves. The flags
# depend on no probe of the compiler: where it is yet to be installed, another answer would build all again.
HARDENED := -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
ifeq ($(shell uname -s -m)$(findstring -linux-,$(CC)),Linux x86_64)
HARDENED += -fstack-clash-protection -fcf-protection
endif
CFLAGS   ?= $(OPTIMIZE) $(HARDENED)
LDFLAGS  ?= $(if $(filter Darwin,$(shell uname -s)),,-Wl$(comma)-z$(comma)relro -Wl$(comma)-z$(comma)now)
PURE_CFLAGS  = -std=gnu11 $(WARNINGS) -Isrc $(CPPFLAGS) $(APR_CPPFLAGS) $(APR_INCLUDES) $(LIB_INCLUDES)
HTTPD_CFLAGS = $(call once,HTTPD_CFLAGS,$(patsubst %,-I%,$(call ask_apxs,INCLUDEDIR)))

# ---- where it is installed ----

prefix      ?= /usr/local
datadir     ?= $(prefix)/share
pkgdatadir  ?= $(datadir)/mod_tripchat
docdir      ?= $(datadir)/doc/mod_tripchat
INSTALL     ?= install
ifeq ($(origin moduledir),undefined)
moduledir    = $(call once,moduledir,$(call ask_apxs,LIBEXECDIR))
endif

# The layers, lowest first; t/00-unit/layers.t holds their includes to this order.
PURE     := base codec domain engine
LAYERS   := $(PURE) token shared store bus peer child httpd
PURE_SRC := $(sort $(foreach layer,$(PURE),$(wildcard src/$(layer)/*.c)))
SRC      := mod_tripchat.c $(sort $(foreach layer,$(LAYERS),$(wildcard src/$(layer)/*.c)))
OBJ      := $(SRC:%.c=$(BUILD)/module/%.o)

# The echo server is the module with another record.
ECHO     := $(BUILD)/mod_tripchat_echo.so
ECHO_OBJ := $(BUILD)/module/t/echo/mod_tripchat_echo.o $(filter-out %/mod_tripchat.o,$(OBJ))

# The module with another version of parcels, to test a reload into another version (t/50-feature/63-ends.t).
NEXT     := $(BUILD)/mod_tripchat_next.so
NEXT_SRC := $(shell grep -l '"peer/parcel.h"' $(SRC))
NEXT_OBJ := $(NEXT_SRC:%.c=$(BUILD)/module/next/%.o) $(filter-out $(NEXT_SRC:%.c=$(BUILD)/module/%.o),$(OBJ))
NEXT_IS  := -DTC_PARCEL_VERSION=1000

.PHONY: all deps install run echo token grant revoke test test-deps browser-deps check test-unit unit-programs test-matrix test-tsan test-browser fuzz dist deb test-deb FORCE bench clean

all: $(MODULE)

$(MODULE): $(OBJ)
	$(CC) -shared $(LDFLAGS) -o $@ $(OBJ) $(LIBS)

$(ECHO): $(ECHO_OBJ)
	$(CC) -shared $(LDFLAGS) -o $@ $(ECHO_OBJ) $(LIBS)

$(NEXT): $(NEXT_OBJ)
	$(CC) -shared $(LDFLAGS) -o $@ $(NEXT_OBJ) $(LIBS)

COMPILE = $(CC) $(PURE_CFLAGS) $(HTTPD_CFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -MMD -MP -c -o $@ $<

# Objects are made anew when one of these has another value than the last time. `make install` alone takes what was built,
# and regards only what its own command line names: root's environment may lack what the build was told.
SETTINGS := CC CFLAGS CPPFLAGS LDFLAGS APXS
REGARDED := $(if $(filter-out install,$(or $(MAKECMDGOALS),all)),$(SETTINGS),\
                $(foreach name,$(SETTINGS),$(if $(filter command,$(origin $(name))),$(name))))
BUILT_AS := $(SETTINGS:%=$(BUILD)/.built-as/%)

define SETTING_RULE
ifneq ($$(strip $$(shell cat $(BUILD)/.built-as/$(1) 2>/dev/null)),$$(strip $$($(1))))
$(BUILD)/.built-as/$(1): FORCE
endif
endef
$(foreach name,$(REGARDED),$(eval $(call SETTING_RULE,$(name))))

$(BUILT_AS): $(BUILD)/.built-as/%:
	@mkdir -p $(@D)
	@printf '%s\n' $(call quote,$($*)) >$@

# Names what is missing once, before the compiler would complain a hundred times.
FOUND := $(BUILD)/.found

FOUND_CFLAGS = $(CPPFLAGS) $(APR_CPPFLAGS) $(APR_INCLUDES) $(LIB_INCLUDES) $(HTTPD_CFLAGS)

# $(call quote,WORDS): quotes any text for the shell
quote = '$(subst ','\'',$(1))'

$(FOUND): conf/build/find $(BUILT_AS)
	@mkdir -p $(@D)
	@FIND_HTTPD=$(if $(filter-out unit-programs,$(or $(MAKECMDGOALS),all)),yes,no) \
	    FIND_CC=$(call quote,$(CC)) FIND_CFLAGS=$(call quote,$(FOUND_CFLAGS)) FIND_APR=$(call quote,$(APR_CONFIG) $(APU_CONFIG)) \
	    conf/build/find $(BUILD)
	@touch $@

$(BUILD)/module/%.o: %.c $(BUILT_AS) | $(FOUND)
	@mkdir -p $(@D)
	$(COMPILE)

$(BUILD)/module/next/%.o: %.c $(BUILT_AS) | $(FOUND)
	@mkdir -p $(@D)
	$(COMPILE) $(NEXT_IS)

-include $(sort $(patsubst %.o,%.d,$(OBJ) $(ECHO_OBJ) $(NEXT_OBJ)))

# The version that the metrics page shows.
%/src/httpd/monitor.o: PURE_CFLAGS += -DTC_VERSION='"$(VERSION)"'
$(BUILD)/module/src/httpd/monitor.o: VERSION

deps:
	@conf/demo/install-packages build run

# $(call LEAVE_PACKAGE,ADVICE): fails where a package owns the module
LEAVE_PACKAGE = if [ -z '$(DESTDIR)' ] && dpkg -S '$(moduledir)/mod_tripchat.so' >/dev/null 2>&1; then \
    echo '$(moduledir)/mod_tripchat.so belongs to a Debian package: $(1).' >&2; exit 1; fi

# DESTDIR is put before every path, to build packages. A module that a Debian package owns is never overwritten.
install: $(MODULE)
	@$(call LEAVE_PACKAGE,remove libapache2-mod-tripchat first)
	$(INSTALL) -d $(INSTALL_DIRS:%='$(DESTDIR)%')
	$(INSTALL) -m 755 $(MODULE) '$(DESTDIR)$(moduledir)/mod_tripchat.so'
	$(INSTALL) -m 644 $(INSTALL_SQL) '$(DESTDIR)$(pkgdatadir)/sql'
	$(INSTALL) -m 644 client/*.js client/*.ts client/package.json '$(DESTDIR)$(pkgdatadir)/client'
	$(INSTALL) -m 644 client/demo/* '$(DESTDIR)$(pkgdatadir)/client/demo'
	$(INSTALL) -m 644 README.md SECURITY.md CHANGELOG.md '$(DESTDIR)$(docdir)'
	$(INSTALL) -m 644 docs/* '$(DESTDIR)$(docdir)/docs'
	$(INSTALL) -m 644 conf/systemd/tripchat-limits.conf '$(DESTDIR)$(docdir)/examples'
	sed 's, modules/mod_, $(moduledir)/mod_,' conf/tripchat.conf >'$(DESTDIR)$(docdir)/examples/tripchat.conf'

uninstall:
	@$(call LEAVE_PACKAGE,apt-get remove libapache2-mod-tripchat removes it)
	rm -f '$(DESTDIR)$(moduledir)/mod_tripchat.so'
	rm -rf '$(DESTDIR)$(pkgdatadir)' '$(DESTDIR)$(docdir)'

# The SQL that a site needs: without the users of the demo and of the benchmark.
INSTALL_SQL  := $(filter-out sql/demo.% sql/bench.%,$(wildcard sql/*.sql))
INSTALL_DIRS  = $(moduledir) $(pkgdatadir)/sql $(pkgdatadir)/client/demo $(docdir)/docs $(docdir)/examples

clean:
	rm -rf $(BUILD)

run: deps
	@$(if $(filter full,$(STACK)),conf/demo/install-packages full)
	@$(MAKE) --no-print-directory $(MODULE)
	@exec env PORT='$(PORT)' WORLD='$(WORLD)' STACK='$(STACK)' PEER='$(PEER)' conf/demo/run "$(CURDIR)/$(MODULE)"

echo:
	@conf/demo/install-packages build run
	@$(MAKE) --no-print-directory $(ECHO)
	@exec env PORT='$(PORT)' t/echo/run "$(CURDIR)/$(ECHO)"

# The environment has USER as the name of the person who runs make, so only USER on the command line counts.
ifneq ($(origin USER),command line)
USER := ann
endif
TRIP ?=

token:
	@conf/demo/token '$(USER)'

grant revoke:
	@conf/demo/membership $@ '$(USER)' '$(TRIP)'

# ---- tests ----

# The sources that the unit tests link: those that need neither httpd nor a database.
UNIT_SRC   := $(PURE_SRC) $(sort $(wildcard src/token/*.c src/shared/*.c)) \
              $(addprefix src/,peer/parcel.c peer/parcel_check.c bus/redis_url.c bus/spending.c store/sql_query.c store/sql_fault.c \
                store/site_sql.c store/job_lane.c store/calls.c \
                store/job_queue.c store/noted.c) \
              t/00-unit/unit.c
UNIT_TESTS := $(patsubst t/00-unit/test_%.c,%,$(sort $(wildcard t/00-unit/test_*.c)))
TSAN_TESTS := $(filter mailbox loop hub_threads db_threads semaphore,$(UNIT_TESTS))
UNIT_CFLAGS = $(PURE_CFLAGS) -It/00-unit -g -O1 -fno-omit-frame-pointer -DTC_CHECK_THREADS
UNIT_LIBS   = $(APR_LIBS) $(or $(call ask_pkg_config,--libs,check),-lcheck) $(LIBS)
ASAN       := -fsanitize=address,undefined -fno-sanitize-recover=undefined
TSAN       := -fsanitize=thread

# $(1) the flavour's name, $(2) its flags: objects and tests under build/$(1)/
define UNIT_RULES
$(BUILD)/$(1)/%.o: %.c | $(FOUND)
	@mkdir -p $$(@D)
	$$(CC) $$(UNIT_CFLAGS) $(2) -MMD -MP -c -o $$@ $$<

$(BUILD)/$(1)/%.t: $(BUILD)/$(1)/t/00-unit/test_%.o $(UNIT_SRC:%.c=$(BUILD)/$(1)/%.o)
	$$(CC) $(2) -o $$@ $$^ $$(UNIT_LIBS)

-include $$(wildcard $(BUILD)/$(1)/*/*.d $(BUILD)/$(1)/*/*/*.d)
endef
$(eval $(call UNIT_RULES,unit,$(ASAN)))
$(eval $(call UNIT_RULES,tsan,$(TSAN)))
.PRECIOUS: $(BUILD)/unit/%.o $(BUILD)/tsan/%.o
.SECONDARY:

# The fuzz targets: t/10-fuzz/fuzz_<name>.c. Here replay.c feeds each target only its seeds.
FUZZ_TARGETS := $(patsubst t/10-fuzz/fuzz_%.c,%,$(sort $(wildcard t/10-fuzz/fuzz_*.c)))
FUZZ_SRC     := $(sort $(wildcard src/base/*.c src/codec/*.c $(filter-out src/token/lease.c,$(wildcard src/token/*.c)))) \
                t/10-fuzz/fuzz.c t/10-fuzz/chat_checks.c
FUZZ_LIBS     = $(APR_LIBS) $(LIBS)
FUZZ_SEEDS   := $(BUILD)/fuzz/seeds/.made

$(BUILD)/unit/fuzz_%.t: $(BUILD)/unit/t/10-fuzz/fuzz_%.o $(BUILD)/unit/t/10-fuzz/replay.o \
                        $(FUZZ_SRC:%.c=$(BUILD)/unit/%.o) | $(FUZZ_SEEDS)
	$(CC) $(ASAN) -o $@ $^ $(FUZZ_LIBS)

$(FUZZ_SEEDS): t/10-fuzz/seeds.pl t/lib/TripChat/Frame.pm
	@rm -rf $(@D)
	@t/10-fuzz/seeds.pl $(@D)
	@touch $@

UNIT_BIN := $(UNIT_TESTS:%=$(BUILD)/unit/%.t) $(FUZZ_TARGETS:%=$(BUILD)/unit/fuzz_%.t)
TSAN_BIN := $(TSAN_TESTS:%=$(BUILD)/tsan/%.t)

test-deps:
	@conf/demo/install-packages build run full test

# The client's tests run in Debian's Chromium and in Node. Node need not come from Debian.
BROWSER := $(BUILD)/browser

browser-deps: test-deps
	@conf/demo/install-packages browser
	@command -v npm >/dev/null || conf/demo/install-packages node
	@[ -d $(BROWSER)/node_modules/playwright-core ] || npm install --loglevel=error --no-audit --no-fund \
	    --no-save --prefix $(BROWSER) playwright-core@1.60.0 ws@8.23.0 >&2 || \
	    { echo 'npm could not install playwright-core and ws, which the tests of the client need.' >&2; exit 1; }

$(BUILD)/hostile/%: t/55-hostile/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARNINGS) $(CFLAGS) -o $@ $< -lssl -lcrypto

test-unit: test-deps $(UNIT_BIN)
	prove $(UNIT_BIN) t/00-unit

# The unit tests' programs, for t/matrix/run, which runs them over the libraries of Debian's releases.
unit-programs: $(UNIT_BIN)

test-matrix: test-deps
	@conf/demo/install-packages matrix
	@t/matrix/run $(SYSTEMS)

test-tsan: test-deps $(TSAN_BIN)
	prove $(TSAN_BIN)
	@t/as-user $(MAKE) --no-print-directory check-tsan

test-browser: browser-deps $(MODULE)
	@t/as-user t/run t/70-browser

include t/rules.mk
include t/lint/rules.mk
include t/sanitize/rules.mk

# ---- fuzzing ----

TIME   ?= 60
TARGET ?= $(FUZZ_TARGETS)

FUZZ_CC     := clang
FUZZ_FLAGS  := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_CFLAGS := -g -O1 -fno-omit-frame-pointer

fuzz:
	@conf/demo/install-packages build test fuzz
	@$(MAKE) --no-print-directory --jobs=$(CORES) --output-sync=target $(TARGET:%=$(BUILD)/fuzz/fuzz_%) $(FUZZ_SEEDS)
	@t/10-fuzz/run '$(TIME)' $(TARGET)

# The flag adds libFuzzer's main() at link time. Objects are compiled with the instrumentation only.
$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/t/10-fuzz/fuzz_%.o $(FUZZ_SRC:%.c=$(BUILD)/fuzz/%.o)
	$(FUZZ_CC) $(FUZZ_FLAGS) -o $@ $^ $(FUZZ_LIBS)

$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(PURE_CFLAGS) $(FUZZ_CFLAGS) $(subst fuzzer,fuzzer-no-link,$(FUZZ_FLAGS)) -MMD -MP -c -o $@ $<

-include $(wildcard $(BUILD)/fuzz/*/*.d $(BUILD)/fuzz/*/*/*.d)

# ---- packages ----

SOURCES := mod_tripchat-$(VERSION)

dist: $(BUILD)/$(SOURCES).tar.gz

# The files that git knows; in an unpacked tar file, which has no git, the whole tree.
$(BUILD)/$(SOURCES).tar.gz: FORCE
	@mkdir -p $(@D)
	@if [ "$$(git rev-parse --show-toplevel 2>/dev/null)" = "$$(pwd -P)" ]; then \
	    git archive --format=tar.gz --prefix=$(SOURCES)/ -o $@ HEAD; \
	else \
	    tar --exclude=./.git --exclude=./$(BUILD) --exclude=./run --exclude=./secrets --exclude=./t/var \
	        --transform='s,^\.,$(SOURCES),' -czf $@ .; \
	fi
	@echo "$@"

deb-deps:
	@conf/demo/install-packages build check deb

deb: $(BUILD)/$(SOURCES).tar.gz
	@conf/demo/install-packages build check deb
	@rm -rf $(BUILD)/deb && mkdir -p $(BUILD)/deb
	@tar -C $(BUILD)/deb -xzf $<
	@cd $(BUILD)/deb/$(SOURCES) && dpkg-buildpackage -b -us -uc
	@lintian --profile debian --fail-on error,warning $(BUILD)/deb/*.changes
	@ls $(BUILD)/deb/*.deb

test-deb: deb
	@conf/demo/install-packages deb-test
	@prove t/85-package/run :: $(BUILD)/deb/libapache2-mod-tripchat_*.deb

# RPMs under build/rpm. On RHEL rpmbuild names the packages that are missing. On Debian RPMFLAGS=--nodeps skips that check.
rpm: $(BUILD)/$(SOURCES).tar.gz
	@grep -q '^Version: *$(VERSION)$$' conf/rpm/mod_tripchat.spec || { echo 'conf/rpm/mod_tripchat.spec has another version.' >&2; exit 1; }
	rpmbuild -ba --define '_topdir $(CURDIR)/$(BUILD)/rpm' --define '_sourcedir $(CURDIR)/$(BUILD)' $(RPMFLAGS) \
	    conf/rpm/mod_tripchat.spec
	@ls $(BUILD)/rpm/RPMS/*/*.rpm

test-rpm:
	@conf/demo/install-packages build check rpm
	@rpmlint conf/rpm/mod_tripchat.spec
	@$(MAKE) --no-print-directory rpm RPMFLAGS=--nodeps

# Debian 12 and 13 are the reference systems; this target tests the other one.
RELEASE ?= $(if $(filter trixie,$(shell . /etc/os-release 2>/dev/null && echo $$VERSION_CODENAME)),bookworm,trixie)

test-release:
	@conf/demo/install-packages deb-test
	@t/85-package/release '$(RELEASE)'

.PHONY: deb-deps uninstall check-unit test-release rpm test-rpm

# The tests for a packager's build: the pure layers with the module's flags; no sanitizer, server, network or root.
PLAIN_BIN := $(UNIT_TESTS:%=$(BUILD)/plain/%.t) $(FUZZ_TARGETS:%=$(BUILD)/plain/fuzz_%.t)

check-unit: $(PLAIN_BIN)
	prove $(PLAIN_BIN) t/00-unit

$(eval $(call UNIT_RULES,plain,$(CFLAGS) $(LDFLAGS)))
.PRECIOUS: $(BUILD)/plain/%.o

$(BUILD)/plain/fuzz_%.t: $(BUILD)/plain/t/10-fuzz/fuzz_%.o $(BUILD)/plain/t/10-fuzz/replay.o \
                         $(FUZZ_SRC:%.c=$(BUILD)/plain/%.o) | $(FUZZ_SEEDS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(FUZZ_LIBS)

FORCE:

# ---- the load generator, and the bare broadcaster beside it ----

BENCH_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARNINGS) -Ibench
bench_obj    = $(patsubst bench/%.c,$(BUILD)/bench/obj/%.o,$(sort $(wildcard $(1) bench/common/*.c)))

bench: $(BUILD)/bench/tcload $(BUILD)/bench/bare

$(BUILD)/bench/tcload: $(call bench_obj,bench/tcload/*.c)
$(BUILD)/bench/bare: $(call bench_obj,bench/bare.c)
$(BUILD)/bench/tcload $(BUILD)/bench/bare:
	$(CC) $(LDFLAGS) -o $@ $^ -lssl -lcrypto

$(BUILD)/bench/obj/%.o: bench/%.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(wildcard $(BUILD)/bench/obj/*.d $(BUILD)/bench/obj/*/*.d)
