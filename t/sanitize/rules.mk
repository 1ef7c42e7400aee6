# Builds the module for each sanitizer and for valgrind. t/sanitize/run then runs the test suites with this module in their
# servers. The Makefile includes this file.

# nodelete keeps the module in memory when httpd unloads it. Leaks are searched after that, and stack traces need the names
# of functions. UBSan's runtime is linked statically, because beside libasan its library would not find its own log.
TOOL_CFLAGS      = -g -O1 -fno-omit-frame-pointer -DTC_CHECK_THREADS -fPIC -fvisibility=hidden
TOOL_LDFLAGS    := -shared -Wl,-z,nodelete
address_FLAGS   := -fsanitize=address,undefined
address_LDFLAGS := -static-libubsan -Wl,--exclude-libs,libubsan.a
thread_FLAGS    := -fsanitize=thread

# $(1) address, thread or memcheck
define TOOL_RULES
$(BUILD)/$(1)/mod_tripchat.so: $(OBJ:$(BUILD)/%=$(BUILD)/$(1)/%)
$(BUILD)/$(1)/mod_tripchat_echo.so: $(ECHO_OBJ:$(BUILD)/%=$(BUILD)/$(1)/%)
$(BUILD)/$(1)/mod_tripchat_next.so: $(NEXT_OBJ:$(BUILD)/%=$(BUILD)/$(1)/%)
$(BUILD)/$(1)/%.so:
	$$(CC) $$(TOOL_LDFLAGS) $$($(1)_FLAGS) $$($(1)_LDFLAGS) -o $$@ $$^ $$(LIBS)

$(BUILD)/$(1)/module/%.o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(PURE_CFLAGS) $$(HTTPD_CFLAGS) $$(TOOL_CFLAGS) $$($(1)_FLAGS) -MMD -MP -c -o $$@ $$<

$(BUILD)/$(1)/module/next/%.o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(PURE_CFLAGS) $$(HTTPD_CFLAGS) $$(TOOL_CFLAGS) $$($(1)_FLAGS) $(NEXT_IS) -MMD -MP -c -o $$@ $$<

-include $(patsubst $(BUILD)/%.o,$(BUILD)/$(1)/%.d,$(sort $(OBJ) $(ECHO_OBJ) $(NEXT_OBJ)))
endef
$(foreach tool,address thread memcheck,$(eval $(call TOOL_RULES,$(tool))))

# Libraries that replace functions of APR, so that the tools see what these functions do.
POOLS   := $(BUILD)/pools.so
ATOMICS := $(BUILD)/atomics.so

$(POOLS): t/sanitize/pools.c
$(ATOMICS): t/sanitize/atomics.c
$(ATOMICS): PRELOAD_CFLAGS := $(thread_FLAGS)
$(POOLS) $(ATOMICS):
	@mkdir -p $(@D)
	$(CC) $(PURE_CFLAGS) -g -O1 $(PRELOAD_CFLAGS) -fPIC -shared -o $@ $<

ADDRESS  := $(POOLS) $(addprefix $(BUILD)/address/,mod_tripchat.so mod_tripchat_echo.so mod_tripchat_next.so)
THREAD   := $(ATOMICS) $(addprefix $(BUILD)/thread/,mod_tripchat.so mod_tripchat_echo.so mod_tripchat_next.so)
MEMCHECK := $(POOLS) $(BUILD)/memcheck/mod_tripchat.so

# A tool makes a server slower and larger. So tests that measure memory, or give clients half a second, are left out. The
# test of make echo is left out, too, because the tests do not start its httpd.
TOOL_TESTS := t/40-protocol t/50-feature $(addprefix t/55-hostile/,10-handshake.t 20-frames.t 40-messages.t) \
              $(filter-out %/08-back-pressure.t %/09-make-echo.t,$(sort $(wildcard t/45-conformance/*.t)))

check-tools-built: $(ADDRESS) $(THREAD) $(TSAN_BIN)

# On PostgreSQL and Redis all tests run, the storms on a smaller scale.
TOOL_FULL_TESTS := $(FULL_TESTS) $(LONG_FULL)

# Without the test that counts a child's threads, because ThreadSanitizer adds a thread.
THREAD_FULL_TESTS := $(filter-out %/60-sites.t,$(TOOL_FULL_TESTS))

check-asan: $(ADDRESS)
	@exec env TC_RELOAD_SCALE=small t/sanitize/run address t/run --timer $(TOOL_TESTS) $(TOOL_FULL_TESTS:%=full:%)

check-tsan: $(THREAD)
	@exec env TC_RELOAD_SCALE=small t/sanitize/run thread t/run --timer $(TOOL_TESTS) $(THREAD_FULL_TESTS:%=full:%)

# The parts that make test-long runs: AddressSanitizer over all features on SQLite, and on PostgreSQL and Redis over the
# tests that store and share; ThreadSanitizer over the tests that pass connections between threads and between children.
# Left out, because they are timed for a server without a tool: how children end, and lines that a log must have by then. And
# the site whose modules of others leak (mod_security, mod_evasive).
NO_TOOL    := %/62-reload.t %/63-ends.t %/87-connection-log.t %/16-php-site.t
PART_TESTS := $(filter-out t/50-feature,$(TOOL_TESTS)) $(filter-out $(NO_TOOL),$(FEATURES))

check-asan-part: $(ADDRESS)
	@exec env $(call PART_VAR,asan) t/sanitize/run address t/run --timer $(PART_TESTS) \
	    $(addprefix full:t/50-feature/,12-leave.t 20-chat.t 24-rest-write.t 30-sequence.t) full:t/60-cluster/10-children.t

check-tsan-part: $(THREAD) $(TSAN_BIN)
	@exec env $(call PART_VAR,tsan) t/sanitize/run thread t/run --timer $(TSAN_BIN) $(addprefix t/50-feature/,20-chat.t 60-takeover.t 65-rest-takeover.t) \
	    full:t/50-feature/12-leave.t full:t/60-cluster/10-children.t

check-leaks: $(MEMCHECK)
	@exec t/sanitize/run memcheck t/run --timer t/80-leaks

check-soak: $(MODULE) $(BUILD)/bench/tcload
	@exec env $(call PART_VAR,soak) TC_SOAK_S='$(TIME)' t/run -v full:t/90-soak

test-asan: test-deps
	@$(AS_USER) check-asan

test-leaks: test-deps
	@conf/demo/install-packages leaks
	@$(AS_USER) check-leaks

soak: test-deps
	@$(AS_USER) check-soak TIME='$(TIME)'

.PHONY: check-tools-built check-asan check-asan-part check-tsan check-tsan-part check-leaks check-soak test-asan test-leaks soak
