/* leader_change - see leader_change.h. */
#include "leader_change.h"

#include <stdio.h>

#include "base/os.h"
#include "protocol/codec.h"
#include "protocol/messages.h"
#include "record/builder.h"
#include "record/control.h"

static err_t encode_value(int32_t node_id, struct buf *out)
{
    struct leader_change_record value;
    CODEC_DEFAULT(leader_change_record, &value);
    struct leader_change_record_voter voter;
    CODEC_DEFAULT(leader_change_record_voter, &voter);
    voter.voter_id = node_id;
    value.leader_id = node_id;
    value.voters = value.granting_voters = &voter;
    value.voters_count = value.granting_voters_count = 1;
    return codec_encode(&leader_change_record_message, 0, &value, out, NULL);
}

err_t leader_change_build(const struct leader_change *change, struct buf *out)
{
    struct batch_options options = batch_options_default();
    options.is_control = true;
    options.leader_epoch = change->epoch;
    options.base_offset = change->base_offset;
    struct buf value = {0};
    struct batch_builder builder = {0};
    uint8_t key[CONTROL_KEY_SIZE];
    control_key_put(key, CONTROL_LEADER_CHANGE);
    struct view batch;
    err_t err = encode_value(change->node_id, &value);
    if (err != OK) goto done;
    struct record record = {
        .offset = RECORD_OFFSET_NEXT,
        .timestamp = change->timestamp,
        .key = view_of(key, sizeof(key)),
        .value = buf_view(&value),
    };
    err = batch_builder_init(&builder, &options);
    if (err == OK) err = batch_builder_append(&builder, &record);
    if (err == OK) err = batch_builder_finish(&builder, &batch);
    if (err == OK) err = buf_append(out, batch.data, batch.len);
done:
    batch_builder_release(&builder);
    buf_release(&value);
    return err;
}

leader_epoch_t quorum_state_epoch(const struct os *os, const char *path)
{
    static const char member[] = "\"leaderEpoch\"";
    struct buf file = {0}, name = {0};
    leader_epoch_t epoch = -1;
    if (buf_printf(&name, "%s/quorum-state", path) == OK &&
        os_read_file(os, (const char *)name.data, 1 << 16, &file) == OK &&
        buf_append_u8(&file, 0) == OK) {
        const char *found = strstr((const char *)file.data, member);
        if (!found || sscanf(found + sizeof(member) - 1, " : %d", &epoch) != 1) epoch = -1;
    }
    buf_release(&file);
    buf_release(&name);
    return epoch;
}
