package main

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// errNotSigned says that a signature does not hold.
var errNotSigned = errors.New("no signature of an allowed signer")

// signedBy checks the signature on a message against a list of allowed signers (ssh-keygen(1), ALLOWED SIGNERS) and gives who signed, with the key's
// fingerprint. Entries for certificate authorities are passed over.
func signedBy(message, signature, allowed []byte, now time.Time) (string, error) {
	sig, err := sshsig.Unarmor(signature)
	if err != nil {
		return "", fmt.Errorf("%w: not an SSH signature: %v", errNotSigned, err)
	}
	print := ssh.FingerprintSHA256(sig.PublicKey)
	for _, line := range strings.Split(string(allowed), "\n") {
		who, key, options := signerLine(line)
		if key == nil || !bytes.Equal(key.Marshal(), sig.PublicKey.Marshal()) {
			continue
		}
		if why := refuses(options, now); why != "" {
			return "", fmt.Errorf("%w: the entry of %s %s", errNotSigned, who, why)
		}
		if err := sshsig.Verify(bytes.NewReader(message), sig, key, sig.HashAlgorithm, signatureNamespace); err != nil {
			return "", fmt.Errorf("%w: %v", errNotSigned, err)
		}
		return who + ", " + key.Type() + " " + print, nil
	}
	return "", fmt.Errorf("%w: the key %s is not in the list", errNotSigned, print)
}

// signerLine splits "PRINCIPALS [OPTIONS] TYPE KEY [COMMENT]"; the key is nil where there is none.
func signerLine(line string) (who string, key ssh.PublicKey, options []string) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", nil, nil
	}
	end := " \t"
	if line[0] == '"' {
		line, end = line[1:], `"`
	}
	i := strings.IndexAny(line, end)
	if i < 0 {
		return "", nil, nil
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(strings.TrimSpace(line[i+1:])))
	if err != nil {
		return "", nil, nil
	}
	return line[:i], key, options
}

// refuses says why the options of an entry do not let it sign manifests now; "" if they do.
func refuses(options []string, now time.Time) string {
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "namespaces":
			if !inNamespaces(value) {
				return "is not for the namespace " + signatureNamespace
			}
		case "valid-after", "valid-before":
			t, err := signerTime(value)
			if err != nil {
				return fmt.Sprintf("has the time %.40q", value)
			}
			if strings.EqualFold(name, "valid-after") && now.Before(t) {
				return "is not valid yet"
			}
			if strings.EqualFold(name, "valid-before") && !now.Before(t) {
				return "is no longer valid"
			}
		default:
			return fmt.Sprintf("has the option %.40q, which is not known here", name)
		}
	}
	return ""
}

// inNamespaces matches a list of patterns; one that begins with ! excludes.
func inNamespaces(list string) bool {
	found := false
	for _, pattern := range strings.Split(list, ",") {
		pattern, not := strings.CutPrefix(strings.TrimSpace(pattern), "!")
		if ok, _ := path.Match(pattern, signatureNamespace); ok {
			if not {
				return false
			}
			found = true
		}
	}
	return found
}

// signerTime reads YYYYMMDD[HHMM[SS]][Z]; without Z it is local time.
func signerTime(text string) (time.Time, error) {
	zone := time.Local
	text, utc := strings.CutSuffix(text, "Z")
	if utc {
		zone = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(text) == len(layout) {
			return time.ParseInLocation(layout, text, zone)
		}
	}
	return time.Time{}, errors.New("no time")
}
