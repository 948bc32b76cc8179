package main

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestSignerLines(t *testing.T) {
	key, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(make([]byte, 32)).Public())
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ line, who, refused string }{
		{"jd@example.org " + text, "jd@example.org", ""},
		{"  a,b\t" + text + " comment", "a,b", ""},
		{`"J. Doe" ` + text, "J. Doe", ""},
		{`jd namespaces="git,pcapaudit" ` + text, "jd", ""},
		{`jd namespaces="pcap*" ` + text, "jd", ""},
		{`jd namespaces="*,!pcapaudit" ` + text, "jd", "namespace"},
		{`jd namespaces="git" ` + text, "jd", "namespace"},
		{`jd valid-after="20260101Z",valid-before="20270101Z" ` + text, "jd", ""},
		{`jd valid-after="202611221201Z" ` + text, "jd", "not valid yet"},
		{`jd valid-before="20261122120000Z" ` + text, "jd", "no longer valid"},
		{`jd valid-before="soon" ` + text, "jd", "has the time"},
		{`jd cert-authority ` + text, "jd", "has the option"},
		{"# jd " + text, "", ""},
		{"jd", "", ""},
		{"jd ssh-ed25519 AAAA", "", ""},
		{`"jd ` + text, "", ""},
	} {
		who, got, options := signerLine(c.line)
		if who != c.who || (got == nil) != (c.who == "") {
			t.Errorf("%s: %q, key %v", c.line, who, got != nil)
			continue
		}
		if why := refuses(options, now); why == "" != (c.refused == "") || !strings.Contains(why, c.refused) {
			t.Errorf("%s: refused %q, want %q", c.line, why, c.refused)
		}
	}
}

// FuzzSignedBy: no text is a signature by somebody who did not sign.
func FuzzSignedBy(f *testing.F) {
	f.Add([]byte("message"), []byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n"), []byte("jd ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"))
	f.Add([]byte(""), []byte(""), []byte("\""))
	f.Fuzz(func(t *testing.T, message, signature, allowed []byte) {
		if who, err := signedBy(message, signature, allowed, time.Unix(0, 0)); err == nil {
			t.Errorf("signed by %s", who)
		}
	})
}
