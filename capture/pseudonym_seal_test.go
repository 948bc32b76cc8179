package capture

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestPseudonymsSeal(t *testing.T) {
	p, other := NewPseudonyms([32]byte{1}), NewPseudonyms([32]byte{2})
	for _, text := range []string{"", "a", strings.Repeat("vault.corp.example ", 1000)} {
		sealed := p.Seal([]byte(text))
		if !bytes.Equal(sealed, p.Seal([]byte(text))) || text != "" && bytes.Contains(sealed, []byte(text)) {
			t.Errorf("sealed %.20q", sealed)
		}
		if open, err := p.Open(sealed); err != nil || string(open) != text {
			t.Errorf("%.20q came back as %.20q, %v", text, open, err)
		}
		if _, err := other.Open(sealed); !errors.Is(err, errSealed) {
			t.Errorf("another key: %v", err)
		}
		for i := range min(len(sealed), 64) {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1
			if _, err := p.Open(changed); !errors.Is(err, errSealed) {
				t.Errorf("with byte %d changed: %v", i, err)
			}
		}
	}
	if _, err := p.Open([]byte("short")); !errors.Is(err, errSealed) {
		t.Error(err)
	}
}

func TestPseudonymsDigest(t *testing.T) {
	p, other := NewPseudonyms([32]byte{1}), NewPseudonyms([32]byte{2})
	if d := p.Digest("finding", "x"); d != p.Digest("finding", "x") || d == p.Digest("sha256", "x") || d == p.Digest("finding", "y") || d == other.Digest("finding", "x") {
		t.Error("digests depend on key, use and text")
	}
	if f := p.Fingerprint(); len(f) != 16 || f != NewPseudonyms([32]byte{1}).Fingerprint() || f == other.Fingerprint() {
		t.Error(f)
	}
}
