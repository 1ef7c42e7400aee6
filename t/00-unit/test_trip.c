/* The ids of trips in all forms of TripChatTripKey: what is an id, its canonical text, and what the database gets. */
#include "unit.h"

#include "codec/trip.h"

#define UUID "550e8400-e29b-41d4-a716-446655440000"
#define HEX "550e8400e29b41d4a716446655440000"
#define TEN "0123456789"
#define BYTES_128 TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "abcdefgh"

/* `text` is read from memory that ends where it ends, so that a sanitizer sees what is read behind it. */
static bool parse(const char *text, size_t len, tc_trip_form_e form, tc_trip_t *out)
{
    unsigned char *exact = unit_copy((const unsigned char *)text, len);
    bool good = tc_trip_parse((const char *)exact, len, form, out);

    free(exact);
    return good;
}

static void expect_canonical(tc_trip_form_e form, const char *text, const char *canonical)
{
    tc_trip_t trip;

    memset(&trip, 'x', sizeof(trip));
    ck_assert_msg(parse(text, strlen(text), form, &trip), "%s", text);
    ck_assert_str_eq(trip.text, canonical);
    ck_assert_mem_eq(trip.text + strlen(canonical), ((tc_trip_t){""}).text, sizeof(trip) - strlen(canonical));
}

static void expect_none(tc_trip_form_e form, const char *const *texts, size_t count)
{
    tc_trip_t trip;
    size_t i;

    for (i = 0; i < count; i++) {
        ck_assert_msg(!parse(texts[i], strlen(texts[i]), form, &trip), "%s", texts[i]);
    }
}

START_TEST(a_uuid_is_read_with_and_without_hyphens_in_either_case)
{
    static const tc_trip_form_e forms[] = {TC_TRIP_UUID, TC_TRIP_UUID_HEX};
    static const char *const none[] = {"", "7", "x", UUID "0", HEX "0", "{" UUID "}", "urn:uuid:" UUID, " " UUID,
                                       "550e8400e29b-41d4-a716-446655440000", "550e8400-e29b-41d4a716-446655440000",
                                       "550e8400-e29b-41d4-a716-44665544000g", "550e8400e29b41d4a71644665544000g",
                                       "550e8400-e29b-41d4-a716-44665544000", "550e8400e29b41d4a71644665544000"};
    size_t i;

    for (i = 0; i < UNIT_COUNT(forms); i++) {
        expect_canonical(forms[i], UUID, UUID);
        expect_canonical(forms[i], HEX, UUID);
        expect_canonical(forms[i], "550E8400-E29B-41D4-A716-446655440000", UUID);
        expect_canonical(forms[i], "550E8400E29B41d4A716446655440000", UUID);
        expect_none(forms[i], none, UNIT_COUNT(none));
    }
}
END_TEST

START_TEST(an_integer_is_decimal_and_fits_a_bigint)
{
    static const char *const none[] = {"", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x10", "1,000", "9223372036854775808",
                                       "9999999999999999999", "10000000000000000000", "00000000000000000001", "x", UUID,
                                       "1/2", "1:2", "\xd9\xa1", "\xef\xbc\x91"};

    expect_canonical(TC_TRIP_INTEGER, "0", "0");
    expect_canonical(TC_TRIP_INTEGER, "7", "7");
    expect_canonical(TC_TRIP_INTEGER, "007", "7");
    expect_canonical(TC_TRIP_INTEGER, "000", "0");
    expect_canonical(TC_TRIP_INTEGER, "0000000000000000001", "1");
    expect_canonical(TC_TRIP_INTEGER, "9223372036854775807", "9223372036854775807");
    expect_canonical(TC_TRIP_INTEGER, "0999999999999999999", "999999999999999999");
    expect_none(TC_TRIP_INTEGER, none, UNIT_COUNT(none));
}
END_TEST

START_TEST(a_text_keeps_its_case_and_its_bytes)
{
    static const char *const good[] = {"a", "A", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "summer-2026_v1.0~x", "12:34", "a@b+c,d=e",
                                       "...", "-", "_", ":", "k\xc3\xb6ln", "\xe6\x97\x85", "\xf0\x9f\x98\x80", UUID, "007",
                                       BYTES_128};
    static const char *const none[] = {"", ".", "..", " ", "a b", "a/b", "a\\b", "a%20b", "a?b", "a#b", "a\"b", "a'b", "<a>",
                                       "a\tb", "a\nb", "\x7f", "a;b", "a&b", "k\xf6ln", "\xc3", "\xed\xa0\x80", BYTES_128 "x"};
    size_t i;
    tc_trip_t trip;

    for (i = 0; i < UNIT_COUNT(good); i++) {
        expect_canonical(TC_TRIP_TEXT, good[i], good[i]);
    }
    expect_none(TC_TRIP_TEXT, none, UNIT_COUNT(none));
    ck_assert(!parse("a\0b", 3, TC_TRIP_TEXT, &trip));
    ck_assert(!parse("7\0", 2, TC_TRIP_INTEGER, &trip));
}
END_TEST

/* Every single byte, as an oracle that only knows the list of docs/directives.md. */
START_TEST(every_character_of_ascii_is_judged)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~:@+,=";
    tc_trip_t trip;
    int c;

    for (c = 0; c < 0x80; c++) {
        char text[3] = {'x', (char)c, 'y'};
        bool is_good = c != 0 && (strchr(good, c) != NULL || c == '.');

        ck_assert_msg(parse(text, sizeof(text), TC_TRIP_TEXT, &trip) == is_good, "%d", c);
    }
}
END_TEST

static void expect_sql(tc_trip_form_e form, const char *text, const char *sql)
{
    char space[TC_TRIP_MAX_BYTES + 1];
    tc_trip_t trip;

    ck_assert(parse(text, strlen(text), form, &trip));
    ck_assert_str_eq(tc_trip_to_sql(&trip, form, space), sql);
}

START_TEST(the_database_gets_the_canonical_text_or_32_digits)
{
    char space[TC_TRIP_MAX_BYTES + 1];
    tc_trip_t longest;

    expect_sql(TC_TRIP_UUID, "550E8400E29B41D4A716446655440000", UUID);
    expect_sql(TC_TRIP_UUID_HEX, "550E8400-e29b-41D4-A716-446655440000", HEX);
    expect_sql(TC_TRIP_INTEGER, "0042", "42");
    expect_sql(TC_TRIP_TEXT, UUID, UUID);
    expect_sql(TC_TRIP_TEXT, BYTES_128, BYTES_128);
    /* A row of another form, or a connection that came from a child with another TripChatTripKey. */
    ck_assert(parse(BYTES_128, strlen(BYTES_128), TC_TRIP_TEXT, &longest));
    ck_assert_str_eq(tc_trip_to_sql(&longest, TC_TRIP_UUID_HEX, space), BYTES_128);
}
END_TEST

START_TEST(the_id_that_the_database_shows_counts)
{
    static const struct {
        tc_trip_form_e form;
        const char *sql;
        const char *canonical; /* NULL: none */
    } cases[] = {
        {TC_TRIP_UUID, UUID, UUID},
        {TC_TRIP_UUID, "550E8400-E29B-41D4-A716-446655440000", UUID},
        {TC_TRIP_UUID_HEX, HEX, UUID},
        {TC_TRIP_UUID_HEX, HEX "   ", UUID},
        {TC_TRIP_INTEGER, "42", "42"},
        {TC_TRIP_INTEGER, "-42", "-42"}, /* nobody can ask for it, but its room may be there */
        {TC_TRIP_TEXT, "007", "007"},
        {TC_TRIP_TEXT, "Summer", "Summer"},
        {TC_TRIP_TEXT, "summer    ", "summer"},
        {TC_TRIP_TEXT, "a b/c", "a b/c"},
        {TC_TRIP_TEXT, BYTES_128, BYTES_128},
        {TC_TRIP_TEXT, BYTES_128 "x", NULL},
        {TC_TRIP_TEXT, "k\xf6ln", NULL},
        {TC_TRIP_TEXT, "", NULL},
        {TC_TRIP_TEXT, "   ", NULL},
        {TC_TRIP_TEXT, NULL, NULL},
        {TC_TRIP_UUID, NULL, NULL},
    };
    tc_trip_t trip;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_msg(tc_trip_from_sql(cases[i].sql, cases[i].form, &trip) == (cases[i].canonical != NULL),
                      "%s", cases[i].sql);
        if (cases[i].canonical != NULL) {
            ck_assert_str_eq(trip.text, cases[i].canonical);
        }
    }
}
END_TEST

START_TEST(a_place_is_a_room_or_a_trip_or_may_be_both)
{
    static const struct {
        tc_trip_form_e form;
        const char *text;
        bool may_be_room, may_be_trip;
    } cases[] = {
        {TC_TRIP_UUID, UUID, true, true},     {TC_TRIP_UUID, HEX, false, true},   {TC_TRIP_UUID, "7", false, false},
        {TC_TRIP_INTEGER, UUID, true, false}, {TC_TRIP_INTEGER, "7", false, true}, {TC_TRIP_INTEGER, "", false, false},
        {TC_TRIP_TEXT, UUID, true, true},     {TC_TRIP_TEXT, "x", false, true},   {TC_TRIP_TEXT, "a/b", false, false},
    };
    tc_place_t place;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bool any = cases[i].may_be_room || cases[i].may_be_trip;

        ck_assert(tc_place_parse(cases[i].text, strlen(cases[i].text), cases[i].form, &place) == any);
        ck_assert(place.may_be_room == cases[i].may_be_room);
        ck_assert(place.may_be_trip == cases[i].may_be_trip);
    }
}
END_TEST

UNIT_MAIN("trip", a_uuid_is_read_with_and_without_hyphens_in_either_case, an_integer_is_decimal_and_fits_a_bigint,
          a_text_keeps_its_case_and_its_bytes, every_character_of_ascii_is_judged,
          the_database_gets_the_canonical_text_or_32_digits, the_id_that_the_database_shows_counts,
          a_place_is_a_room_or_a_trip_or_may_be_both)
