# mod_tripchat. `make run` starts the demo, `make test` runs every test; both install what they need.
#
#   make              build the module                 make install      install it with apxs
#   make run          the demo in the foreground       make token USER=ann
#   make grant USER=carol [TRIP=…]                     make revoke USER=carol [TRIP=…]
#   make test         all tests                        make test-unit    the pure layers, sanitized
#   make test-tsan    engine and domain under TSan     make bench        the load generator
#   make clean        remove what was built

APXS     ?= apxs
BUILD    := build
MODULE   := $(BUILD)/mod_tripchat.so

CC       ?= cc
WARNINGS := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
            -Wno-sign-conversion -Wformat=2 -Wvla
OPTIMIZE ?= -O2 -g
CFLAGS   ?= $(OPTIMIZE) -fstack-protector-strong
PURE_CFLAGS = -std=gnu11 $(WARNINGS) -Isrc $(shell apr-1-config --cppflags --includes) \
              $(shell apu-1-config --includes)
HTTPD_CFLAGS = -I$(shell $(APXS) -q INCLUDEDIR)
LIBS     := -ljson-c -ljwt -lssl -lcrypto

# The layers, lowest first; t/00-unit/layers.t holds their includes to this order.
PURE     := base codec domain engine
LAYERS   := $(PURE) adapters httpd
PURE_SRC := $(sort $(foreach layer,$(PURE),$(wildcard src/$(layer)/*.c)))
SRC      := mod_tripchat.c $(sort $(foreach layer,$(LAYERS),$(wildcard src/$(layer)/*.c)))
OBJ      := $(SRC:%.c=$(BUILD)/module/%.o)

.PHONY: all deps install run token grant revoke test check test-unit test-tsan bench clean

all: $(MODULE)

# A fresh machine has no apxs to ask for flags: install first, then let make start over.
ifeq ($(shell command -v $(APXS) 2>/dev/null),)
$(MODULE): deps
	$(MAKE) $@
else
$(MODULE): $(OBJ)
	$(CC) -shared $(LDFLAGS) -o $@ $(OBJ) $(LIBS)

$(BUILD)/module/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(PURE_CFLAGS) $(HTTPD_CFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -MMD -MP -c -o $@ $<
endif

-include $(OBJ:.o=.d)

deps:
	@conf/demo/install-packages build run

install: $(MODULE)
	$(APXS) -i -n tripchat $(MODULE)

clean:
	rm -rf $(BUILD)

run: deps
	@$(MAKE) --no-print-directory $(MODULE)
	@PORT='$(PORT)' WORLD='$(WORLD)' STACK='$(STACK)' conf/demo/run "$(CURDIR)/$(MODULE)"

# USER is everybody's own name in the environment: only the command line counts.
ifneq ($(origin USER),command line)
USER := ann
endif
TRIP ?=

token:
	@conf/demo/token '$(USER)'

grant revoke:
	@conf/demo/membership $@ '$(USER)' '$(TRIP)'
