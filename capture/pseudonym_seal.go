package capture

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io"
)

// Fingerprint tells keys apart and tells nothing about them: sixteen hexadecimal digits.
func (p *Pseudonyms) Fingerprint() string { return p.fingerprint }

// Digest stands for a text that others could find by trying, such as the hash of a file: without the key nobody can tell what it is of. use keeps digests of
// different uses apart.
func (p *Pseudonyms) Digest(use, text string) (d [sha256.Size]byte) {
	h := hmac.New(sha256.New, p.digests)
	io.WriteString(h, use+"\x00"+text)
	return [sha256.Size]byte(h.Sum(nil))
}

// Seal encrypts text so that only the holder of the key can read it, and nobody else can change it. The same text gives the same bytes: the nonce is made of it, as in a
// synthetic initialisation vector (RFC 5297, section 1.1), so that equal texts can be told to be equal and nothing else.
func (p *Pseudonyms) Seal(text []byte) []byte {
	aead := p.aead()
	h := hmac.New(sha256.New, p.sealing)
	h.Write(text)
	nonce := h.Sum(nil)[:aead.NonceSize()]
	return aead.Seal(nonce, nonce, text, nil)
}

// errSealed says that what was sealed cannot be opened.
var errSealed = errors.New("sealed with another key, or changed since")

// Open gives the text that was sealed.
func (p *Pseudonyms) Open(sealed []byte) ([]byte, error) {
	aead := p.aead()
	size := aead.NonceSize()
	if len(sealed) < size {
		return nil, errSealed
	}
	text, err := aead.Open(nil, sealed[:size], sealed[size:], nil)
	if err != nil {
		return nil, errSealed
	}
	return text, nil
}

// aead takes its key from the one that makes nonces, by a use of its own.
func (p *Pseudonyms) aead() cipher.AEAD {
	block, err := aes.NewCipher(subkey(p.sealing, "encryption"))
	if err != nil {
		panic(err) // the length is right
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // so is the block's
	}
	return aead
}
