/*
 * Feeds a fuzz target its seeds and each prefix of them, without libFuzzer. So each test run tries again what a fuzzer
 * found once. It prints TAP, and runs at the top of the tree: t/10-fuzz/corpus/<name> has the seeds that are text, and
 * build/fuzz/seeds/<name> has the seeds that seeds.pl makes.
 */
#include "fuzz.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEED_MAX_BYTES 65536
#define CUT_MAX_BYTES 1024 /* a longer seed is fed whole, without its prefixes */
#define WATCHDOG_S 60      /* for a seed with all its prefixes */

static const char *const folders[] = {"t/10-fuzz/corpus", "build/fuzz/seeds"};

static void feed_one(const unsigned char *seed, size_t len)
{
    unsigned char *exact = fuzz_copy(seed, len);

    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
}

static void feed(const unsigned char *seed, size_t len)
{
    size_t cut;

    for (cut = 0; cut < len && len <= CUT_MAX_BYTES; cut++) {
        feed_one(seed, cut);
    }
    feed_one(seed, len);
}

/* Feeds the file in a process of its own, so that the other files are fed even if this process crashes. */
static bool passes(const char *path)
{
    static unsigned char seed[SEED_MAX_BYTES];
    FILE *in = fopen(path, "rb");
    size_t len = in ? fread(seed, 1, sizeof(seed), in) : 0;
    int status = -1;
    pid_t pid;

    if (in == NULL || ferror(in) || len == sizeof(seed)) {
        fprintf(stderr, "%s cannot be read, or is too long\n", path);
        if (in != NULL) {
            fclose(in);
        }
        return false;
    }
    fclose(in);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(WATCHDOG_S);
        feed(seed, len);
        exit(EXIT_SUCCESS); /* LeakSanitizer looks for leaks here */
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int is_seed(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Replays a folder, which may be missing. Returns how many of its seeds failed. */
static int replay(const char *folder, int *number)
{
    struct dirent **seeds = NULL;
    char path[512];
    int count, i, failed = 0;

    snprintf(path, sizeof(path), "%s/%s", folder, fuzz_name);
    count = scandir(path, &seeds, is_seed, alphasort);
    for (i = 0; i < count; i++) {
        bool passed;

        snprintf(path, sizeof(path), "%s/%s/%s", folder, fuzz_name, seeds[i]->d_name);
        passed = passes(path);
        failed += !passed;
        printf("%sok %d - %s\n", passed ? "" : "not ", ++*number, path);
        free(seeds[i]);
    }
    free(seeds);
    return failed;
}

int main(void)
{
    int number = 0, failed = 0;
    size_t i;

    for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        failed += replay(folders[i], &number);
    }
    if (number == 0) {
        printf("not ok %d - %s has seeds\n", ++number, fuzz_name);
        failed++;
    }
    printf("1..%d\n", number);
    return failed > 0;
}
