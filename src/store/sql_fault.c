/* What a failed statement failed of. See sql_fault.h. */
#include "store/sql_fault.h"

#include <stddef.h>
#include <string.h>

typedef struct {
    const char *state;
    tc_sql_fault_e fault;
    bool is_own; /* what is stored is at fault: wrong data, a constraint, a limit, an exception of the site's trigger */
} meaning_t;

/* By SQLSTATE (PostgreSQL, appendix A): whole codes first, then classes. */
static const meaning_t states[] = {
    {"22P02", TC_SQL_FAULT_VALUE, true}, /* invalid text representation */
    {"22P05", TC_SQL_FAULT_VALUE, true}, /* untranslatable character */
    {"22003", TC_SQL_FAULT_VALUE, true}, /* numeric value out of range */
    {"22007", TC_SQL_FAULT_VALUE, true}, /* invalid datetime format */
    {"22008", TC_SQL_FAULT_VALUE, true}, /* datetime field overflow */
    {"22021", TC_SQL_FAULT_VALUE, true}, /* character not in repertoire */
    {"23503", TC_SQL_FAULT_PARENT, true},
    {"42501", TC_SQL_FAULT_RIGHT, false},
    {"20", TC_SQL_FAULT_OTHER, true}, /* PL/pgSQL: no case was found */
    {"21", TC_SQL_FAULT_OTHER, true}, /* cardinality violation */
    {"22", TC_SQL_FAULT_OTHER, true}, /* data exception */
    {"23", TC_SQL_FAULT_OTHER, true}, /* integrity constraint violation */
    {"38", TC_SQL_FAULT_OTHER, true}, /* exception of a function in another language */
    {"39", TC_SQL_FAULT_OTHER, true}, /* a function was called in a wrong way */
    {"44", TC_SQL_FAULT_OTHER, true}, /* WITH CHECK OPTION */
    {"54", TC_SQL_FAULT_OTHER, true}, /* program limit exceeded */
    {"P0", TC_SQL_FAULT_OTHER, true}, /* PL/pgSQL error */
    {"42", TC_SQL_FAULT_STATEMENT, false}, /* syntax error or access rule violation */
    {"0A", TC_SQL_FAULT_STATEMENT, false}, /* feature not supported */
    {"3F", TC_SQL_FAULT_STATEMENT, false}, /* invalid schema name */
};

/* By words: PostgreSQL's without a state, and SQLite's. */
static const struct {
    const char *words;
    tc_sql_fault_e fault;
} phrases[] = {
    {"invalid input syntax", TC_SQL_FAULT_VALUE},
    {"out of range", TC_SQL_FAULT_VALUE},
    {"violates foreign key", TC_SQL_FAULT_PARENT},
    {"FOREIGN KEY constraint failed", TC_SQL_FAULT_PARENT},
    {"constraint failed", TC_SQL_FAULT_VALUE},
    {"datatype mismatch", TC_SQL_FAULT_VALUE},
    {"too big", TC_SQL_FAULT_VALUE},
    {"permission denied", TC_SQL_FAULT_RIGHT},
    {"syntax error", TC_SQL_FAULT_STATEMENT},
    {"does not exist", TC_SQL_FAULT_STATEMENT},
    {"no such ", TC_SQL_FAULT_STATEMENT},
    {"sub-select returns", TC_SQL_FAULT_STATEMENT},
    {" values for ", TC_SQL_FAULT_STATEMENT}, /* a common table with too few columns */
};

void tc_sql_fault_state(const char *why, char state[6])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *at = strstr(why, ":  ");

    state[0] = '\0';
    if (at != NULL && strspn(at + 3, digits) == 5 && at[8] == ':') {
        memcpy(state, at + 3, 5);
        state[5] = '\0';
    }
}

/* NULL: the state may stand for anything that passes. */
static const meaning_t *meaning_of(const char *state)
{
    size_t i;

    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (strncmp(state, states[i].state, strlen(states[i].state)) == 0) {
            return &states[i];
        }
    }
    return NULL;
}

bool tc_sql_fault_is_own(const char *state)
{
    const meaning_t *meaning = meaning_of(state);

    return meaning != NULL && meaning->is_own;
}

tc_sql_fault_e tc_sql_fault(const char *why)
{
    const meaning_t *meaning;
    char state[6];
    size_t i;

    tc_sql_fault_state(why, state);
    meaning = meaning_of(state);
    if (meaning != NULL) {
        return meaning->fault;
    }
    for (i = 0; *state == '\0' && i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (strstr(why, phrases[i].words) != NULL) {
            return phrases[i].fault;
        }
    }
    return TC_SQL_FAULT_OTHER;
}

/* Beside a right that is missing and a statement that does not fit, which some statement that writes has met. */
bool tc_sql_fault_stops_writes(const char *why)
{
    static const char *const classes[] = {
        "25006", /* read-only transaction */
        "53",    /* insufficient resources: a full disk, no memory */
        "58",    /* system error */
    };
    static const char *const words[] = {"readonly database", "read-only transaction", "is full", "disk I/O error",
                                        "No space left", "unable to open database"};
    tc_sql_fault_e fault = tc_sql_fault(why);
    char state[6];
    size_t i;

    tc_sql_fault_state(why, state);
    for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (strncmp(state, classes[i], strlen(classes[i])) == 0) {
            return true;
        }
    }
    for (i = 0; *state == '\0' && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strstr(why, words[i]) != NULL) {
            return true;
        }
    }
    return fault == TC_SQL_FAULT_RIGHT || fault == TC_SQL_FAULT_STATEMENT;
}
