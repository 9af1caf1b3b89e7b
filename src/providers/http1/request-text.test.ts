import assert from 'node:assert/strict';
import { wholeText } from '../../core/json-pieces.ts';
import { test } from 'node:test';
import { requestText } from './request-text.ts';
import type { TransferRequest } from './transfer.ts';

const request = (more: Partial<TransferRequest>): TransferRequest => ({
  url: new URL('http://provider.test:8080/v1/chat?x=%20'),
  method: 'POST',
  headers: {},
  connectMs: 0,
  headersMs: 0,
  idleMs: 0,
  ...more,
});

/** As it goes out. */
function bytes(of: TransferRequest): string {
  const { text, encoding, rest } = requestText(of);
  return Buffer.concat([Buffer.from(text, encoding), Buffer.from(wholeText(rest))]).toString('latin1');
}

test('request text: the head, and the body by its length in bytes', () => {
  const lines = [
    'POST /v1/chat?x=%20 HTTP/1.1',
    'host: provider.test:8080',
    'connection: keep-alive',
    'x-a: b',
    'content-length: 2',
    '',
    '{}',
  ];
  assert.equal(bytes(request({ headers: { 'x-a': 'b' }, body: '{}' })), lines.join('\r\n'));
  const get = ['GET /v1/chat?x=%20 HTTP/1.1', 'host: other.test', 'connection: keep-alive', '', ''].toSorted();
  assert.deepEqual(
    bytes(request({ method: 'GET', headers: { host: 'other.test' } }))
      .split('\r\n')
      .toSorted(),
    get,
  );
});

test('request text: letters of all kinds in the body and in a header, each in its own encoding', () => {
  for (const body of ['plain', 'ä', 'äöü 東京 😀', '\ud800 half']) {
    for (const value of ['plain', 'b\xe4r']) {
      const sent = bytes(request({ headers: { 'x-a': value }, body }));
      const [head = '', ...rest] = sent.split('\r\n\r\n');
      const utf8 = Buffer.from(body).toString('latin1');
      assert.equal(rest.join('\r\n\r\n'), utf8);
      assert.ok(head.includes(`x-a: ${value}\r\n`), head);
      assert.ok(head.endsWith(`content-length: ${utf8.length}`), head);
    }
  }
});

test('request text: a header that would end its line, or say where the request ends, is refused without its value', () => {
  const refused: readonly (readonly [string, string])[] = [
    ['x-a', 'secret\r\nx-b: c'],
    ['x-a', 'secret\n'],
    ['x-a', 'secret\0'],
    ['x-a', 'secret \u0100'],
    ['x a', 'secret'],
    ['x-a:', 'secret'],
    ['', 'secret'],
    ['transfer-encoding', 'secret'],
    ['content-length', 'secret'],
    ['connection', 'secret'],
  ];
  for (const [name, value] of refused) {
    assert.throws(
      () => requestText(request({ headers: { [name]: value } })),
      (error: Error & { code?: string }) => error.code === 'UNSENDABLE' && !error.message.includes('secret'),
      name,
    );
  }
});
