import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../core/error.ts';
import { addressProblem, allowsAddress, checkAddresses, isWithin } from './addresses.ts';

test('addresses: an empty list has all of them', () => {
  assert.ok(allowsAddress([], '203.0.113.9'));
  assert.ok(allowsAddress([], 'whatever'));
  assert.equal(isWithin('203.0.113.9', []), false);
});

test('addresses: single ones and ranges, of both families', () => {
  const list = ['192.0.2.7', '10.0.0.0/8', '2001:db8::/32', '::1'];
  for (const address of ['192.0.2.7', '10.0.0.0', '10.255.255.255', '2001:db8::1', '2001:0DB8:ffff::', '::1', '0:0:0:0:0:0:0:1', '[::1]']) {
    assert.ok(allowsAddress(list, address), address);
  }
  for (const address of [
    '192.0.2.8',
    '11.0.0.1',
    '9.255.255.255',
    '2001:db9::1',
    '::2',
    '',
    'localhost',
    '10.0.0',
    '10.0.0.1.5',
    '10.0.0.01x',
  ]) {
    assert.equal(allowsAddress(list, address), false, address);
  }
});

test('addresses: a range is that of its first bits, whatever the others are', () => {
  assert.ok(allowsAddress(['192.0.2.129/25'], '192.0.2.200'));
  assert.equal(allowsAddress(['192.0.2.129/25'], '192.0.2.127'), false);
  assert.ok(allowsAddress(['0.0.0.0/0'], '8.8.8.8'));
  assert.equal(allowsAddress(['0.0.0.0/0'], '2001:db8::1'), false);
  assert.ok(allowsAddress(['::/0'], '2001:db8::1'));
});

test('addresses: an IPv4 address that came as an IPv6 one is the IPv4 one, on both sides', () => {
  for (const address of [
    '::ffff:10.1.2.3',
    '::FFFF:10.1.2.3',
    '::ffff:0a01:0203',
    '::ffff:a01:203',
    '0:0:0:0:0:ffff:10.1.2.3',
    '0000:0000:0000:0000:0000:ffff:0a01:0203',
  ]) {
    assert.ok(allowsAddress(['10.1.2.0/24'], address), address);
    assert.ok(allowsAddress([address], '10.1.2.3'), address);
  }
  assert.ok(allowsAddress(['::ffff:10.0.0.0/104'], '10.9.9.9'));
  assert.equal(allowsAddress(['10.1.2.0/24'], '::ffff:10.1.3.3'), false);
  assert.equal(allowsAddress(['10.1.2.0/24'], '::fffe:10.1.2.3'), false);
});

test('addresses: what is no range is said, with its place', () => {
  const wrong: Readonly<Record<string, RegExp>> = {
    localhost: /'localhost' has no IP address\./,
    '10.0.0/8': /has no IP address before its length/,
    '10.0.0.0/33': /a length that is not between 0 and 32/,
    '::1/129': /not between 0 and 128/,
    '::ffff:10.0.0.0/8': /not between 96 and 128/,
    '10.0.0.0/': /no whole number after the slash/,
    '10.0.0.0/8/8': /no whole number/,
    '10.0.0.0/-1': /no whole number/,
    '10.0.0.0/255.0.0.0': /no whole number/,
    'fe80::1%eth0': /names a network interface/,
    '': /has no IP address/,
  };
  for (const [entry, message] of Object.entries(wrong)) {
    assert.throws(
      () => checkAddresses(['10.0.0.0/8', entry], 'addresses'),
      (error) =>
        error instanceof GatewayError && error.kind === 'invalid_value' && error.param === 'addresses[1]' && message.test(error.message),
      entry,
    );
    assert.match(addressProblem(entry) ?? '', message);
    assert.throws(() => allowsAddress([entry], '10.0.0.1'), { kind: 'invalid_value' });
  }
  assert.equal(addressProblem('10.0.0.0/8'), undefined);
  checkAddresses(['10.0.0.0/8', '::1', '2001:db8::/48'], 'addresses');
});
