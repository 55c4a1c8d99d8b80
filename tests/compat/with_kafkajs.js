// npm's kafkajs 2.2.4: ignores minimum versions, sends null fetch sessions, knows error codes up to 88.
// Usage: node with_kafkajs.js HOST:PORT. Prints one line a case and ends with a count; exit 1 if any failed.
'use strict';
const assert = require('assert');
const { Kafka, CompressionTypes, logLevel } = require('kafkajs');

const kafka = new Kafka({ clientId: 'compat', brokers: [process.argv[2]], logLevel: logLevel.NOTHING, retry: { retries: 3 } });

const cases = {
  async admin_creates_describes_alters_and_deletes() {
    const admin = kafka.admin();
    await admin.connect();
    assert.strictEqual(await admin.createTopics({ topics: [{ topic: 'js-admin', numPartitions: 3, configEntries: [{ name: 'retention.ms', value: '4242' }] }] }), true);
    assert.strictEqual(await admin.createTopics({ topics: [{ topic: 'js-admin' }] }), false);
    assert((await admin.listTopics()).includes('js-admin'));
    const meta = await admin.fetchTopicMetadata({ topics: ['js-admin'] });
    assert.strictEqual(meta.topics[0].partitions.length, 3);
    const config = await admin.describeConfigs({ resources: [{ type: 2, name: 'js-admin' }], includeSynonyms: true });
    const value = config.resources[0].configEntries.find((e) => e.configName === 'retention.ms');
    assert.strictEqual(value.configValue, '4242');
    await admin.alterConfigs({ resources: [{ type: 2, name: 'js-admin', configEntries: [{ name: 'retention.ms', value: '99' }] }] });
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
      const messages = [...Array(500).keys()].map((i) => ({ key: `k${i}`, value: i % 7 ? `v${i}` : null, headers: { n: String(i) } }));
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
    await producer.send({ topic: 'js-time', messages: [...Array(50).keys()].map((i) => ({ value: `${i}`, timestamp: String(base + i * 100) })) });
    const found = await admin.fetchTopicOffsetsByTimestamp('js-time', base + 1050);
    assert.strictEqual(found[0].offset, '11');
    await admin.deleteTopicRecords({ topic: 'js-time', partitions: [{ partition: 0, offset: '10' }] });
    assert.strictEqual((await admin.fetchTopicOffsets('js-time'))[0].low, '10');
    await producer.disconnect();
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
