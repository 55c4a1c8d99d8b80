/* Records that come from a file: the codec leaves room in the count and says where. */
#include "wire.h"

#include "protocol/codec.h"
#include "protocol/messages.h"

enum { PARTITIONS = 3 };

struct fixture {
    struct arena arena;
    struct buf out;
    struct codec_holes holes;
    struct fetch_response in;
    struct fetch_response_partition *p;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    CODEC_DEFAULT(fetch_response, &f->in);
    f->in.responses = CODEC_NEW(&f->arena, fetch_response_topic, 1);
    f->in.responses_count = 1;
    f->p = CODEC_NEW(&f->arena, fetch_response_partition, PARTITIONS);
    f->in.responses[0].partitions = f->p;
    f->in.responses[0].partitions_count = PARTITIONS;
    for (int i = 0; i < PARTITIONS; i++) f->p[i].partition_index = i;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_release(&f->arena);
    buf_release(&f->out);
    codec_holes_release(&f->holes);
    free(f);
    return 0;
}

static void *const FILE_A = (void *)0x1000, *const FILE_B = (void *)0x2000;

/* What the wire would see, with the files' bytes made of one letter each. */
static void splice(const struct fixture *f, struct buf *wire)
{
    size_t at = 0;
    for (size_t i = 0; i < f->holes.count; i++) {
        const struct codec_hole *hole = &f->holes.items[i];
        assert_true(hole->position >= at && hole->position <= f->out.len);
        assert_int_equal(buf_append(wire, f->out.data + at, hole->position - at), OK);
        for (size_t n = 0; n < hole->file_bytes; n++)
            assert_int_equal(buf_append_u8(wire, hole->file == FILE_A ? 'a' : 'b'), OK);
        at = hole->position;
    }
    assert_int_equal(buf_append(wire, f->out.data + at, f->out.len - at), OK);
}

static void check_spliced(struct fixture *f, int version)
{
    f->p[0].records = (struct records_field){.file = FILE_A, .file_bytes = 300};
    f->p[1].records = (struct records_field){.data = view_str("memory")};
    f->p[2].records = (struct records_field){.file = FILE_B, .file_bytes = 5};
    assert_int_equal(codec_encode(&fetch_response_message, version, &f->in, &f->out, &f->holes),
                     OK);
    assert_int_equal(f->holes.count, 2);
    struct buf wire = {0};
    splice(f, &wire);
    assert_int_equal(wire.len, f->out.len + 305);
    struct fetch_response out;
    struct reader r = reader_of(buf_view(&wire));
    assert_int_equal(codec_decode(&fetch_response_message, version, &r, &f->arena, &out), OK);
    assert_int_equal(reader_left(&r), 0);
    struct fetch_response_partition *p = out.responses[0].partitions;
    assert_int_equal(p[0].records.data.len, 300);
    assert_int_equal(p[0].records.data.data[299], 'a');
    assert_view_str(p[1].records.data, "memory");
    assert_view_str(p[2].records.data, "bbbbb");
    assert_null(p[2].records.file);
    buf_release(&wire);
}

static void encode__file_records_v11__spliced_bytes_decode(void **state)
{
    check_spliced(*state, 11);
}

static void encode__file_records_v12__spliced_bytes_decode(void **state)
{
    check_spliced(*state, 12);
}

static void encode__file_records__positions_count_from_the_buffers_start(void **state)
{
    struct fixture *f = *state;
    f->in.responses[0].partitions_count = 1;
    f->p[0].records = (struct records_field){.file = FILE_A, .file_bytes = 5};
    assert_int_equal(buf_append(&f->out, "head", 4), OK);
    assert_int_equal(codec_encode(&fetch_response_message, 11, &f->in, &f->out, &f->holes), OK);
    assert_int_equal(f->holes.items[0].position, f->out.len);
    assert_int_equal(f->holes.items[0].file_bytes, 5);
    assert_ptr_equal(f->holes.items[0].file, FILE_A);
    assert_int_equal(be32_get(f->out.data + f->out.len - 4), 5);
}

static void encode__failure_after_a_hole__leaves_no_hole(void **state)
{
    struct fixture *f = *state;
    f->p[0].records = (struct records_field){.file = FILE_A, .file_bytes = 5};
    f->p[1].aborted_transactions_count = -2;
    assert_int_equal(codec_encode(&fetch_response_message, 11, &f->in, &f->out, &f->holes),
                     ERR_INVALID);
    assert_int_equal(f->holes.count, 0);
    assert_int_equal(f->out.len, 0);
}

static void encode__file_beyond_31_bits__too_large(void **state)
{
    struct fixture *f = *state;
    f->p[0].records = (struct records_field){.file = FILE_A, .file_bytes = (size_t)1 << 31};
    assert_int_equal(codec_encode(&fetch_response_message, 11, &f->in, &f->out, &f->holes),
                     ERR_TOO_LARGE);
}

static void encode__many_holes__array_grows(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 100 };
    f->p = CODEC_NEW(&f->arena, fetch_response_partition, MANY);
    f->in.responses[0].partitions = f->p;
    f->in.responses[0].partitions_count = MANY;
    for (int i = 0; i < MANY; i++)
        f->p[i].records = (struct records_field){.file = FILE_A, .file_bytes = (size_t)i};
    assert_int_equal(codec_encode(&fetch_response_message, 17, &f->in, &f->out, &f->holes), OK);
    assert_int_equal(f->holes.count, MANY);
    for (size_t i = 1; i < MANY; i++) {
        assert_int_equal(f->holes.items[i].file_bytes, i);
        assert_true(f->holes.items[i].position > f->holes.items[i - 1].position);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(encode__file_records_v11__spliced_bytes_decode),
        TEST(encode__file_records_v12__spliced_bytes_decode),
        TEST(encode__file_records__positions_count_from_the_buffers_start),
        TEST(encode__failure_after_a_hole__leaves_no_hole),
        TEST(encode__file_beyond_31_bits__too_large),
        TEST(encode__many_holes__array_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
