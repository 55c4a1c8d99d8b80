/* Slices on their way to readers that are fast, slow, many, or gone; from files that are in memory
 * or not. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "residency.h"

enum { MIB = 1 << 20 };

static struct harness harness;

static int set_up(void **state)
{
    harness_init(&harness);
    *state = &harness;
    return 0;
}

static void slices__of_many_sizes__arrive_intact(void **state)
{
    struct harness *h = *state;
    harness_make_file(h, 8 * MIB);
    harness_start(h);
    int fd = client_connect(h);
    static const uint32_t sizes[] = {0,     1,      100,    4096,    32767,   32768,
                                     32769, 100000, 262144, 1048577, 6 * MIB, 7};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        client_send_slice_request(fd, i * 1001, sizes[i]);
        client_expect_slice(fd, i * 1001, sizes[i]);
    }
    close(fd);
    harness_end(h);
}

/* Small slices are gathered with the heads around them, large ones go between. */
static void slices__pipelined__arrive_in_order(void **state)
{
    struct harness *h = *state;
    harness_make_file(h, 4 * MIB);
    harness_start(h);
    int fd = client_connect(h);
    enum { COUNT = 300 };
    for (uint32_t i = 0; i < COUNT; i++) {
        client_send_slice_request(fd, i * 777, i % 7 ? i * 91 : 100000);
        client_send_frame(fd, 'e', 20, i);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        client_expect_slice(fd, i * 777, i % 7 ? i * 91 : 100000);
        client_expect_echo(fd, 'e', 20, i);
    }
    close(fd);
    harness_end(h);
}

static void slice__slow_reader__gets_all_of_64_mib(void **state)
{
    struct harness *h = *state;
    harness_make_file(h, 64 * MIB);
    harness_start(h);
    int slow = client_connect_small(h, 16384);
    client_send_slice_request(slow, 0, 64 * MIB);
    harness_wait(&h->frames, 1);
    int quick = client_connect(h); /* not kept waiting by the slow one */
    for (uint32_t i = 0; i < 100; i++) {
        client_send_frame(quick, 'e', 10, i);
        client_expect_echo(quick, 'e', 10, i);
    }
    harness_wait(&h->delivered, 100);
    assert_int_equal(h->dropped, 0);
    client_expect_slice(slow, 0, 64 * MIB);
    close(slow);
    close(quick);
    harness_end(h);
}

static void slice__reader_goes_away__releases_the_file(void **state)
{
    struct harness *h = *state;
    harness_make_file(h, 16 * MIB);
    harness_start(h);
    int fd = client_connect_small(h, 16384);
    client_send_slice_request(fd, 0, 16 * MIB);
    client_send_slice_request(fd, 0, 16 * MIB);
    harness_wait(&h->frames, 2);
    close(fd);
    harness_wait(&h->dropped, 2);
    harness_wait(&h->closed, 1);
    assert_int_equal(atomic_load(&h->file.refs), 1);
    harness_end(h);
}

static void slice__beyond_the_end_of_the_file__closes(void **state)
{
    struct harness *h = *state;
    harness_make_file(h, MIB);
    harness_start(h);
    static const uint32_t sizes[] = {MIB, 100}; /* by sendfile, by copy */
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        int fd = client_connect(h);
        client_send_slice_request(fd, MIB - 50, sizes[i]);
        uint8_t head[12 + 50];
        client_receive(fd, head, sizeof head);
        client_expect_end(fd);
        close(fd);
    }
    harness_end(h);
}

/* More reply bytes wait than allowed: no more frames are taken until they are sent. */
static void replies__too_many_bytes__stop_reading_until_sent(void **state)
{
    struct harness *h = *state;
    h->options.max_reply_bytes = 8 * MIB;
    harness_make_file(h, 4 * MIB);
    harness_start(h);
    int fd = client_connect_small(h, 16384);
    enum { COUNT = 20 };
    for (int i = 0; i < COUNT; i++) client_send_slice_request(fd, 0, 4 * MIB);
    harness_wait(&h->frames, 2);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    /* Up to 8 MiB and the one that passes it; what the socket took may let in some more. */
    assert_true(h->frames < COUNT / 2);
    for (int i = 0; i < COUNT; i++) client_expect_slice(fd, 0, 4 * MIB);
    assert_int_equal(h->frames, COUNT);
    close(fd);
    harness_end(h);
}

/* Outstanding replies cost memory although they have no bytes yet. */
static void replies__too_many_outstanding__stop_reading(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    enum { COUNT = 3000 };
    client_send_frame(fd, 'l', 1, 1);
    for (uint32_t i = 1; i < COUNT; i++) client_send_frame(fd, 'n', 1, i);
    client_send_frame(fd, 'e', 1, 2);
    harness_wait(&h->frames, 1024);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    assert_int_equal(h->frames, 1024);
    harness_answer_later(h, 0);
    client_expect_echo(fd, 'l', 1, 1);
    client_expect_echo(fd, 'e', 1, 2);
    assert_int_equal(h->frames, COUNT + 1);
    close(fd);
    harness_end(h);
}

/* ---- cold files ---- */

static void use_workers(struct harness *h)
{
    assert_int_equal(worker_pool_new("cold", 2, &h->workers), OK);
    h->options.cold_readers = h->workers;
    h->slices_are_hot = false;
}

static void evict(const struct harness *h)
{
    assert_int_equal(fdatasync(h->file.fd), 0);
    posix_fadvise(h->file.fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void slice__in_memory_but_not_known_to_be__needs_no_worker(void **state)
{
    struct harness *h = *state;
    use_workers(h);
    harness_make_file(h, 8 * MIB);
    harness_start(h);
    int fd = client_connect(h);
    client_send_slice_request(fd, 0, 8 * MIB);
    client_expect_slice(fd, 0, 8 * MIB);
    client_send_slice_request(fd, 11, 1000);
    client_expect_slice(fd, 11, 1000);
    assert_int_equal(server_stats(h->server).cold_reads, 0);
    close(fd);
    harness_end(h);
}

static void slice__cold__is_fetched_by_a_worker(void **state)
{
    struct harness *h = *state;
    harness_make_file(h, 8 * MIB);
    evict(h);
    if (residency_check(h->file.fd, 5 * MIB, 1000) || residency_check(h->file.fd, 0, 4 * MIB)) {
        slice_file_unref(&h->file);
        skip(); /* a file system in memory */
    }
    use_workers(h);
    harness_start(h);
    int fd = client_connect(h);
    client_send_slice_request(fd, 5 * MIB, 1000); /* copied */
    client_expect_slice(fd, 5 * MIB, 1000);
    client_send_slice_request(fd, 0, 4 * MIB);
    client_expect_slice(fd, 0, 4 * MIB);
    assert_true(server_stats(h->server).cold_reads > 0);
    close(fd);
    harness_end(h);
}

static atomic_bool stop_evicting;

static void *evict_again_and_again(void *arg)
{
    while (!atomic_load(&stop_evicting)) evict(arg);
    return NULL;
}

/* Nothing stays in memory for long: most of it has to be sent from memory of ours. */
static void slice__evicted_all_the_time__arrives_nevertheless(void **state)
{
    struct harness *h = *state;
    use_workers(h);
    harness_make_file(h, 4 * MIB);
    harness_start(h);
    int fd = client_connect(h);
    pthread_t evictor;
    atomic_store(&stop_evicting, false);
    assert_int_equal(pthread_create(&evictor, NULL, evict_again_and_again, h), 0);
    for (int i = 0; i < 5; i++) {
        client_send_slice_request(fd, 0, 3 * MIB);
        client_expect_slice(fd, 0, 3 * MIB);
        client_send_slice_request(fd, 123456, 2000);
        client_expect_slice(fd, 123456, 2000);
    }
    atomic_store(&stop_evicting, true);
    pthread_join(evictor, NULL);
    close(fd);
    harness_end(h);
}

static void slice__cold_and_reader_gone__is_given_up(void **state)
{
    struct harness *h = *state;
    use_workers(h);
    harness_make_file(h, 8 * MIB);
    harness_start(h);
    for (int i = 0; i < 20; i++) {
        evict(h);
        int fd = client_connect(h);
        client_send_slice_request(fd, 0, 8 * MIB);
        harness_wait(&h->frames, i + 1);
        close(fd);
    }
    harness_end(h);
}

static void slice__cold_beyond_the_end_of_the_file__closes(void **state)
{
    struct harness *h = *state;
    use_workers(h);
    harness_make_file(h, MIB);
    harness_start(h);
    static const uint32_t sizes[] = {100000, 100};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        int fd = client_connect(h);
        client_send_slice_request(fd, 2 * MIB, sizes[i]);
        uint8_t head[12];
        client_receive(fd, head, sizeof head);
        client_expect_end(fd);
        close(fd);
    }
    harness_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(slices__of_many_sizes__arrive_intact, set_up),
        cmocka_unit_test_setup(slices__pipelined__arrive_in_order, set_up),
        cmocka_unit_test_setup(slice__slow_reader__gets_all_of_64_mib, set_up),
        cmocka_unit_test_setup(slice__reader_goes_away__releases_the_file, set_up),
        cmocka_unit_test_setup(slice__beyond_the_end_of_the_file__closes, set_up),
        cmocka_unit_test_setup(replies__too_many_bytes__stop_reading_until_sent, set_up),
        cmocka_unit_test_setup(replies__too_many_outstanding__stop_reading, set_up),
        cmocka_unit_test_setup(slice__in_memory_but_not_known_to_be__needs_no_worker, set_up),
        cmocka_unit_test_setup(slice__cold__is_fetched_by_a_worker, set_up),
        cmocka_unit_test_setup(slice__evicted_all_the_time__arrives_nevertheless, set_up),
        cmocka_unit_test_setup(slice__cold_and_reader_gone__is_given_up, set_up),
        cmocka_unit_test_setup(slice__cold_beyond_the_end_of_the_file__closes, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
