/* What a failed statement failed of is read from the SQLSTATE, in whichever language the server speaks. */
#include "unit.h"

#include "store/sql_fault.h"

START_TEST(the_state_counts_in_any_language)
{
    static const struct {
        const char *why;
        tc_sql_fault_e fault;
    } cases[] = {
        {"ERROR:  22P02: invalid input syntax for type uuid: \"x\"", TC_SQL_FAULT_VALUE},
        {"FEHLER:  22P02: ungültige Eingabesyntax für Typ uuid: »x«", TC_SQL_FAULT_VALUE},
        {"ОШИБКА:  22003: значение \"9\" вне диапазона", TC_SQL_FAULT_VALUE},
        {"ERROR:  23503: insert or update violates", TC_SQL_FAULT_PARENT},
        {"ERREUR:  42501: droit refusé pour la table chat_rooms", TC_SQL_FAULT_RIGHT},
        {"ERROR:  42P01: relation \"users\" does not exist", TC_SQL_FAULT_STATEMENT},
        {"ERROR:  0A000: cannot", TC_SQL_FAULT_STATEMENT},
        {"ERROR:  57014: canceling statement: out of range", TC_SQL_FAULT_OTHER},
        {"ERROR:  25006: cannot execute INSERT in a read-only transaction", TC_SQL_FAULT_OTHER},
        {"server closed the connection unexpectedly", TC_SQL_FAULT_OTHER},
        {"", TC_SQL_FAULT_OTHER},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_msg(tc_sql_fault(cases[i].why) == cases[i].fault, "%s", cases[i].why);
    }
}
END_TEST

START_TEST(without_a_state_the_words_count)
{
    static const struct {
        const char *why;
        tc_sql_fault_e fault;
    } cases[] = {
        {"ERROR:  invalid input syntax for type uuid: \"x\"", TC_SQL_FAULT_VALUE},
        {"ERROR:  value \"99999999999\" is out of range for type integer", TC_SQL_FAULT_VALUE},
        {"FOREIGN KEY constraint failed", TC_SQL_FAULT_PARENT},
        {"ERROR:  permission denied for table chat_rooms", TC_SQL_FAULT_RIGHT},
        {"cannot prepare \"SELECT\": no such table: users", TC_SQL_FAULT_STATEMENT},
        {"database is locked", TC_SQL_FAULT_OTHER},
        {"ERROR:  42 is the answer", TC_SQL_FAULT_OTHER},
        {"ERROR:  ABCDEF: x", TC_SQL_FAULT_OTHER},
        {"ERROR:  ABCDE", TC_SQL_FAULT_OTHER},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_msg(tc_sql_fault(cases[i].why) == cases[i].fault, "%s", cases[i].why);
    }
}
END_TEST

START_TEST(a_state_says_whose_fault_it_is)
{
    static const char *const own[] = {"22P02", "22012", "22P05", "23503", "23514", "54000", "P0001",
                                      "20000", "21000", "38000", "39P01", "44000"};
    static const char *const others[] = {"", "42501", "42P01", "0A000", "25006", "53100", "57014", "58030", "40001", "XX000"};
    size_t i;

    for (i = 0; i < UNIT_COUNT(own); i++) {
        ck_assert_msg(tc_sql_fault_is_own(own[i]), "%s", own[i]);
    }
    for (i = 0; i < UNIT_COUNT(others); i++) {
        ck_assert_msg(!tc_sql_fault_is_own(others[i]), "%s", others[i]);
    }
}
END_TEST

START_TEST(a_server_that_takes_no_writes_is_told_from_a_lock_and_from_a_bad_message)
{
    static const char *const stops[] = {
        "ERROR:  25006: cannot execute INSERT in a read-only transaction", "FEHLER:  53100: konnte Datei nicht erweitern",
        "ERROR:  53200: out of memory", "ERROR:  58030: could not fsync", "ERROR:  42501: permission denied",
        "ERROR:  42P01: relation does not exist", "attempt to write a readonly database", "database or disk is full",
        "disk I/O error", "unable to open database file", "ERROR:  could not extend file: No space left on device",
        "no such table: chat_messages",
    };
    static const char *const others[] = {
        "", "database is locked", "ERROR:  55P03: canceling statement due to lock timeout", "ERROR:  57014: the disk is full",
        "ERROR:  23505: duplicate key", "ERROR:  22P02: database or disk is full", "FOREIGN KEY constraint failed",
        "server closed the connection unexpectedly", "ERROR:  40001: could not serialize access",
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(stops); i++) {
        ck_assert_msg(tc_sql_fault_stops_writes(stops[i]), "%s", stops[i]);
    }
    for (i = 0; i < UNIT_COUNT(others); i++) {
        ck_assert_msg(!tc_sql_fault_stops_writes(others[i]), "%s", others[i]);
    }
}
END_TEST

UNIT_MAIN("sql_fault", the_state_counts_in_any_language, without_a_state_the_words_count,
          a_state_says_whose_fault_it_is,
          a_server_that_takes_no_writes_is_told_from_a_lock_and_from_a_bad_message)
