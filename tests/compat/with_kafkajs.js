// npm's kafkajs 2.2.4: ignores minimum versions, sends null fetch sessions, knows error codes up to 88.
// Usage: node with_kafkajs.js HOST:PORT. Prints one line a case and ends with a count; exit 1 if any failed.
'use strict';
const assert = require('assert');
const { Kafka, CompressionTypes, logLevel } = require('kafkajs');

const kafka = new Kafka({
  clientId: 'compat',
  brokers: [process.argv[2]],
  logLevel: logLevel.NOTHING,
  retry: { retries: 3 },
});

const cases = {
  async admin_creates_describes_alters_and_deletes() {
    const admin = kafka.admin();
    await admin.connect();
    const created = { topic: 'js-admin', numPartitions: 3, configEntries: [{ name: 'retention.ms', value: '4242' }] };
    assert.strictEqual(await admin.createTopics({ topics: [created] }), true);
    assert.strictEqual(await admin.createTopics({ topics: [{ topic: 'js-admin' }] }), false);
    assert((await admin.listTopics()).includes('js-admin'));
    const meta = await admin.fetchTopicMetadata({ topics: ['js-admin'] });
    assert.strictEqual(meta.topics[0].partitions.length, 3);
    const config = await admin.describeConfigs({ resources: [{ type: 2, name: 'js-admin' }], includeSynonyms: true });
    const value = config.resources[0].configEntries.find((e) => e.configName === 'retention.ms');
    assert.strictEqual(value.configValue, '4242');
    const altered = { type: 2, name: 'js-admin', configEntries: [{ name: 'retention.ms', value: '99' }] };
    await admin.alterConfigs({ resources: [altered] });
    await admin.createPartitions({ topicPartitions: [{ topic: 'js-admin', count: 4 }] });
    const offsets = await admin.fetchTopicOffsets('js-admin');
    assert.strictEqual(offsets.length, 4);
    const cluster = await admin.describeCluster();
    assert.strictEqual(cluster.brokers.length, 1);
    await admin.deleteTopics({ topics: ['js-admin'] });
    assert(!(await admin.listTopics()).includes('js-admin'));
    await admin.disconnect();
  },

  async produces_with_and_without_compression() {
    const admin = kafka.admin();
    const producer = kafka.producer({ allowAutoTopicCreation: true });
    await admin.connect();
    await producer.connect();
    for (const [name, compression] of [['none', CompressionTypes.None], ['gzip', CompressionTypes.GZIP]]) {
      const topic = `js-${name}`;
      await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
      const message = (i) => ({ key: `k${i}`, value: i % 7 ? `v${i}` : null, headers: { n: String(i) } });
      const messages = [...Array(500).keys()].map(message);
      const result = await producer.send({ topic, compression, messages, acks: -1 });
      assert.strictEqual(result[0].errorCode, 0);
      assert.strictEqual(result[0].baseOffset, '0');
      const offsets = await admin.fetchTopicOffsets(topic);
      assert.strictEqual(offsets[0].high, '500');
    }
    await producer.disconnect();
    await admin.disconnect();
  },

  async idempotent_producer_keeps_its_order() {
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'js-idem', numPartitions: 1 }] });
    await producer.connect();
    for (let i = 0; i < 20; i++) await producer.send({ topic: 'js-idem', messages: [{ value: `v${i}` }] });
    assert.strictEqual((await admin.fetchTopicOffsets('js-idem'))[0].high, '20');
    await producer.disconnect();
    await admin.disconnect();
  },

  async offsets_by_timestamp_and_delete_records() {
    const admin = kafka.admin();
    const producer = kafka.producer();
    await admin.connect();
    await producer.connect();
    await admin.createTopics({ topics: [{ topic: 'js-time', numPartitions: 1 }] });
    const base = Date.now() - 60000;
    const messages = [...Array(50).keys()].map((i) => ({ value: `${i}`, timestamp: String(base + i * 100) }));
    await producer.send({ topic: 'js-time', messages });
    const found = await admin.fetchTopicOffsetsByTimestamp('js-time', base + 1050);
    assert.strictEqual(found[0].offset, '11');
    await admin.deleteTopicRecords({ topic: 'js-time', partitions: [{ partition: 0, offset: '10' }] });
    assert.strictEqual((await admin.fetchTopicOffsets('js-time'))[0].low, '10');
    await producer.disconnect();
    await admin.disconnect();
  },

  async many_topics_in_one_request() {
    const admin = kafka.admin();
    const producer = kafka.producer();
    await admin.connect();
    await producer.connect();
    const topics = ['js-batch-a', 'js-batch-b', 'js-batch-c'];
    await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 4 })) });
    const messages = [...Array(400).keys()].map((i) => ({ key: `k${i}`, value: 'x'.repeat(1000) }));
    const results = await producer.sendBatch({ acks: 1, topicMessages: topics.map((topic) => ({ topic, messages })) });
    assert(results.length >= 3 && results.every((r) => r.errorCode === 0));
    for (const topic of topics) {
      const offsets = await admin.fetchTopicOffsets(topic);
      assert.strictEqual(offsets.reduce((sum, o) => sum + Number(o.high), 0), 400);
    }
    await producer.disconnect();
    await admin.disconnect();
  },

  async large_records_and_those_too_large() {
    const admin = kafka.admin();
    const producer = kafka.producer();
    await admin.connect();
    await producer.connect();
    await admin.createTopics({ topics: [{ topic: 'js-large', numPartitions: 1 }] });
    const send = (size) => producer.send({ topic: 'js-large', messages: [{ value: 'x'.repeat(size) }] });
    await send(1000000);
    await assert.rejects(send(2000000), { type: 'MESSAGE_TOO_LARGE' });
    assert.strictEqual((await admin.fetchTopicOffsets('js-large'))[0].high, '1');
    await producer.disconnect();
    await admin.disconnect();
  },

  async admin_is_told_what_is_wrong() {
    const admin = kafka.admin();
    await admin.connect();
    const create = (topic) => admin.createTopics({ topics: [{ numPartitions: 1, ...topic }] });
    const said = (type) => (e) => (e.errors ? e.errors[0].type : e.type) === type;
    const refused = (topic, type) => assert.rejects(create(topic), said(type));
    await refused({ topic: 'js bad' }, 'INVALID_TOPIC_EXCEPTION');
    await refused({ topic: 'js-bad', replicationFactor: 2 }, 'INVALID_REPLICATION_FACTOR');
    await refused({ topic: 'js-bad', numPartitions: 0 }, 'INVALID_PARTITIONS');
    await refused({ topic: 'js-bad', configEntries: [{ name: 'no.such', value: '1' }] }, 'INVALID_CONFIG');
    await assert.rejects(admin.deleteTopics({ topics: ['js-never'] }), /does not host this topic/);
    await create({ topic: 'js-shrink', numPartitions: 3 });
    const fewer = { topicPartitions: [{ topic: 'js-shrink', count: 1 }] };
    await assert.rejects(admin.createPartitions(fewer), said('INVALID_PARTITIONS'));
    const beyond = { topic: 'js-shrink', partitions: [{ partition: 0, offset: '99' }] };
    await assert.rejects(admin.deleteTopicRecords(beyond));
    assert(!(await admin.listTopics()).includes('js-bad'));
    await admin.disconnect();
  },

  async a_transaction_is_refused_at_once() {
    const producer = kafka.producer({ transactionalId: 'js-tx', maxInFlightRequests: 1, idempotent: true });
    const begun = Date.now();
    await producer.connect();
    await assert.rejects(async () => (await producer.transaction()).commit(), /coordinator|[Tt]ransactional/);
    assert(Date.now() - begun < 5000);
    await producer.disconnect();
  },

  async a_group_asks_again_and_hurts_nobody() {
    const consumer = kafka.consumer({ groupId: 'js-group', retry: { retries: 2, initialRetryTime: 50 } });
    await consumer.connect();
    await consumer.subscribe({ topic: 'js-none', fromBeginning: true });
    const crashed = new Promise((resolve) => consumer.on(consumer.events.CRASH, (e) => resolve(e.payload.error)));
    consumer.run({ eachMessage: async () => {} }).catch(() => {});
    const error = await crashed;
    assert(/group coordinator/.test(error.message), error.message);
    await consumer.disconnect();
    const admin = kafka.admin();
    await admin.connect();
    assert((await admin.listTopics()).includes('js-none'));
    await admin.disconnect();
  },
};

(async () => {
  let failed = 0, passed = 0;
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run();
      passed++;
      console.log(`ok   with_kafkajs.${name}`);
    } catch (e) {
      failed++;
      console.log(`FAIL with_kafkajs.${name}: ${e.stack}`);
    }
  }
  console.log(`kafkajs: ${passed} ok, ${failed} failed`);
  process.exit(failed || !passed ? 1 : 0);
})();
