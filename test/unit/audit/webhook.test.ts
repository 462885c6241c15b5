import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { afterEach, describe, suite, test } from 'node:test';
import { post, POST_ANSWER_BYTES_MAX, receiverUrl } from '../../../src/audit/post.ts';
import { postWebhook, webhookHeaders, webhookSecret } from '../../../src/audit/webhook.ts';
import { startStandIn, type Answer, type StandIn } from '../../support/stand-in.ts';

let receiver: StandIn | null = null;

suite('copies by webhook', () => {
  afterEach(() => {
    receiver?.stop();
    receiver = null;
  });

  describe('the address of a receiver', () => {
    test('is https, or plain http on loopback', () => {
      for (const good of [
        'https://hooks.example/a?b=c',
        'http://127.0.0.1:80/x',
        'http://localhost/',
        'http://[::1]:1/',
      ]) {
        assert.equal(receiverUrl(good, 'url', 'loopback').href, good.replace(':80/', '/'));
      }
      for (const bad of ['http://hooks.example/', 'http://10.0.0.1/', 'ftp://a/', 'file:///etc/passwd', 'hooks', '']) {
        assert.throws(() => receiverUrl(bad, 'audit.url', 'loopback'), {
          code: 'INVALID_ARGUMENT',
          message: /^`audit\.url`: must begin with https|^`audit\.url`: must be an address that begins with https/,
        });
      }
    });

    test('may be plain http anywhere, for what is public and signed', () => {
      assert.equal(receiverUrl('http://witness.example/', 'url', 'anywhere').protocol, 'http:');
      assert.equal(receiverUrl('http://10.0.0.1/', 'url', 'anywhere').hostname, '10.0.0.1');
    });

    test('has no user, no password and no fragment', () => {
      for (const bad of ['https://u@a.example/', 'https://:p@a.example/', 'https://a.example/#x']) {
        assert.throws(() => receiverUrl(bad, 'url', 'anywhere'), { code: 'INVALID_ARGUMENT' });
      }
    });

    test('is never the metadata service of a cloud, however it is written', () => {
      for (const host of [
        '169.254.169.254',
        '0xa9fea9fe',
        '2852039166',
        '[::ffff:169.254.169.254]',
        '[fe80::1]',
        '0.0.0.0',
      ]) {
        assert.throws(
          () => receiverUrl(`http://${host}/latest/`, 'url', 'anywhere'),
          /is no address of a receiver/,
          host,
        );
      }
      for (const host of ['[fd00:ec2::254]', '[::]', '[ff02::1]', '224.0.0.1', '255.255.255.255', '0.1.2.3']) {
        assert.throws(() => receiverUrl(`https://${host}/`, 'url', 'loopback'), /is no address of a receiver/, host);
      }
    });
  });

  describe('a post', () => {
    test('gives status, type and body, whatever the status', async () => {
      const url = await serve((_, response) => response.writeHead(409, { 'content-type': 'text/x.size' }).end('12\n'));
      const { status, contentType, body } = await post(url, 'hello', { contentType: 'text/plain' });
      assert.deepEqual([status, contentType, body.toString()], [409, 'text/x.size', '12\n']);
    });

    test('does not follow a redirect', async () => {
      let asked = 0;
      const url = await serve((_, response) => {
        asked += 1;
        response.writeHead(307, { location: '/elsewhere' }).end();
      });
      assert.equal((await post(url, '', { contentType: 'text/plain' })).status, 307);
      assert.equal(asked, 1);
    });

    test('to an address that must not be reached is not sent, even past the check of the configuration', async () => {
      const url = new URL('http://169.254.169.254/');
      await assert.rejects(post(url, '', { contentType: 'text/plain' }), /so nothing is sent there/);
    });

    test('ends with a receiver that never answers, and with one that answers for ever', async () => {
      const silent = await serve(() => undefined);
      await assert.rejects(
        post(silent, '', { contentType: 'text/plain', timeoutMs: 50 }),
        /^Error: no answer within 0.05 s/,
      );
      const trickling = await serve((_, response) => {
        const timer = setInterval(() => response.write('.'), 10);
        response.on('close', () => clearInterval(timer));
      });
      await assert.rejects(post(trickling, '', { contentType: 'text/plain', timeoutMs: 100 }), /no answer within/);
    });

    test('comes through a kept connection that the receiver has closed', async () => {
      const url = await serve((_, response) => response.end('ok'));
      for (let n = 0; n < 3; n++) {
        assert.equal((await post(url, '', { contentType: 'text/plain' })).body.toString(), 'ok');
        receiver!.dropConnections();
      }
    });

    test('reads no answer beyond its limit', async () => {
      const url = await serve((_, response) => response.end(Buffer.alloc(POST_ANSWER_BYTES_MAX + 1)));
      await assert.rejects(post(url, '', { contentType: 'text/plain' }), /more than 65536 bytes/);
    });

    test('ends when it is told to', async () => {
      const url = await serve(() => undefined);
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 20);
      await assert.rejects(post(url, '', { contentType: 'text/plain', signal: stop.signal }), { name: 'AbortError' });
    });
  });

  describe('a webhook', () => {
    const secret = webhookSecret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'secret');

    test('is signed as Standard Webhooks signs', () => {
      const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', body: '{"test": 2432232314}' };
      assert.deepEqual(webhookHeaders(secret, message, 1_614_265_330_999), {
        'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
        'webhook-timestamp': '1614265330',
        'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
      });
    });

    test('has a secret that cannot be guessed', () => {
      assert.equal(
        webhookSecret('a secret of 24 characters or more', 's').toString(),
        'a secret of 24 characters or more',
      );
      for (const bad of ['', 'short', 'whsec_', 'whsec_AAAA', 'whsec_not base64!', 'x'.repeat(65)]) {
        assert.throws(() => webhookSecret(bad, 'audit.secret'), {
          code: 'INVALID_ARGUMENT',
          message: /`audit\.secret`/,
        });
      }
    });

    test('arrives with a signature over exactly the bytes that arrive', async () => {
      const got: { headers: IncomingMessage['headers']; body: string }[] = [];
      const url = await serve(({ headers }, response, body) => {
        got.push({ headers, body });
        response.writeHead(204).end();
      });
      await postWebhook(url, secret, { id: 'a', body: '{"größe":1}' }, { nowMs: Date.now() });
      const [{ headers, body }] = got as [(typeof got)[0]];
      const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
      const mac = createHmac('sha256', secret).update(signed).digest('base64');
      assert.equal(headers['webhook-signature'], `v1,${mac}`);
      assert.equal(headers['content-type'], 'application/json');
    });

    test('that is not taken fails in words', async () => {
      const url = await serve((_, response) => response.writeHead(503).end());
      await assert.rejects(postWebhook(url, secret, { id: 'a', body: '' }, { nowMs: 0 }), /the receiver answered 503/);
      receiver!.stop();
      await assert.rejects(postWebhook(url, secret, { id: 'a', body: '' }, { nowMs: 0 }), /ECONNREFUSED/);
    });
  });
});

async function serve(answer: Answer): Promise<URL> {
  receiver?.stop();
  receiver = await startStandIn(answer);
  return receiver.url;
}
