import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPublicAddress } from './private-address.ts';

const PUBLIC = `
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 93.184.216.34 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 168.63.129.15
168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.167.255.255
192.169.0.0 198.17.255.255 198.20.0.0 203.0.112.255 203.0.114.0 223.255.255.255
2001:4860:4860::8888 2606:4700:4700::1111 2001:200::1 2001:db7::1 2001:db9::1 2003::1 2a00:1450:4001::200e 3ffe::1 3fff:1000::1
2400:cb00:2048:1::c629:d7a2 2001:4860:4860:0:0:0:0:8844`;

const REFUSED = `
0.0.0.0 0.1.2.3 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255 127.0.0.1 127.1.2.3
127.255.255.255 168.63.129.16 169.254.0.0 169.254.169.254 169.254.170.2 169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0
192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.0 192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.254 255.255.255.255
:: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:0:0 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:7f00:1 ::FFFF:10.0.0.1 ::ffff:0:127.0.0.1
64:ff9b::7f00:1 64:ff9b::8.8.8.8 64:ff9b:1::a00:1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:1ff::1
2001:db8::1 2001:db8:ffff::1 2002:7f00:1:: 2002:808:808::1 3fff::1 3fff:fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fdff::1
fe80::1 febf::1 fec0::1 ff02::1 ff0e::1 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:ffff:7f00:0001 fe80::1%eth0 2606:4700::1%eth0`;

const NO_ADDRESSES = [
  '',
  'localhost',
  'example.com',
  '[::1]',
  '[2606:4700:4700::1111]',
  '1.1.1',
  '0x7f.1',
  '2130706433',
  '01.1.1.1',
  '1.1.1.1:80',
];

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

test('private addresses: what belongs to the public internet', () => {
  for (const address of words(PUBLIC)) assert.equal(isPublicAddress(address), true, address);
});

test('private addresses: what does not, to the ends of each range', () => {
  for (const address of words(REFUSED)) assert.equal(isPublicAddress(address), false, address);
});

test('private addresses: what is no address is not public', () => {
  for (const text of NO_ADDRESSES) assert.equal(isPublicAddress(text), false, text);
});
