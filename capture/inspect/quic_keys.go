package inspect

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// quicKeys open the Initials of one side. They come from a connection id that is sent in clear: they protect against nobody who reads
// the packets, but authenticate them (RFC 9001, section 5.2).
type quicKeys struct {
	aead cipher.AEAD
	iv   []byte
	hp   cipher.Block
}

// Salts of the initial secrets (RFC 9001, section 5.2; RFC 9369, section 3.3.1).
var (
	quicSaltV1 = []byte("\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a")
	quicSaltV2 = []byte("\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9")
)

// newQUICKeys makes the keys of a client whose first destination connection id is dcid.
func newQUICKeys(version uint32, dcid []byte) *quicKeys {
	key, iv, hp := quicSecrets(version, dcid)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil
	}
	mask, err := aes.NewCipher(hp)
	if err != nil {
		return nil
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil
	}
	return &quicKeys{aead, iv, mask}
}

func quicSecrets(version uint32, dcid []byte) (key, iv, hp []byte) {
	salt, labels := quicSaltV1, "quic "
	if version == quicV2 {
		salt, labels = quicSaltV2, "quicv2 "
	}
	initial, _ := hkdf.Extract(sha256.New, dcid, salt)
	client := expandLabel(initial, "client in", sha256.Size)
	return expandLabel(client, labels+"key", 16), expandLabel(client, labels+"iv", 12), expandLabel(client, labels+"hp", 16)
}

// expandLabel is HKDF-Expand-Label without context (RFC 8446, section 7.1).
func expandLabel(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := string([]byte{byte(n >> 8), byte(n), byte(len(label))}) + label + "\x00"
	out, _ := hkdf.Expand(sha256.New, secret, info, n) // fails beyond 255 hashes only
	return out
}

// open removes the protection of a packet (RFC 9001, section 5.4) and gives its frames; false where it is of other keys.
func (k *quicKeys) open(p *quicPacket) (frames []byte, ok bool) {
	if k == nil || len(p.packet) < p.numberOffset+20 {
		return nil, false
	}
	var mask [aes.BlockSize]byte
	k.hp.Encrypt(mask[:], p.packet[p.numberOffset+4:][:aes.BlockSize])
	first := p.packet[0] ^ mask[0]&0x0f
	size := int(first&3) + 1
	header := slices.Clone(p.packet[:p.numberOffset+size])
	header[0] = first
	number := uint64(0)
	for i := range size {
		header[p.numberOffset+i] ^= mask[1+i]
		number = number<<8 | uint64(header[p.numberOffset+i])
	}
	nonce := slices.Clone(k.iv)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^number)
	frames, err := k.aead.Open(nil, nonce, p.packet[p.numberOffset+size:], header)
	return frames, err == nil
}
