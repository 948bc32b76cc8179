package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/hiddeco/sshsig"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"pcapaudit/classify"
)

const (
	// signatureNamespace keeps signatures on manifests apart from those on anything else (PROTOCOL.sshsig of OpenSSH).
	signatureNamespace = "pcapaudit"
	maxKeyFile         = 1 << 20 // bytes of keys, signatures and lists of signers
)

func signFlag(c *cobra.Command, key *string) {
	c.Flags().StringVar(key, "sign", "", "sign what --report writes with the SSH private `KEY` (no passphrase): FILE"+manifestSuffix+" and FILE"+manifestSuffix+signatureSuffix+" beside it")
}

// loadKey reads an SSH private key.
func loadKey(path string) (ssh.Signer, error) {
	data, err := readSmall(path, maxKeyFile)
	if err != nil {
		return nil, exitError{exitUsage, hint(fmt.Errorf("reading key %s: %w", path, bare(err)), "name an SSH private key; ssh-keygen -t ed25519 makes one")}
	}
	signer, err := ssh.ParsePrivateKey(data)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, exitError{exitUsage, hint(fmt.Errorf("key %s is protected by a passphrase", path),
			"use a signing key without one, kept where only the pipeline can read it, or sign the JSON report yourself: ssh-keygen -Y sign -n %s -f KEY audit.json; verify takes that as --signature audit.json%s", signatureNamespace, signatureSuffix)}
	case err != nil:
		return nil, exitError{exitUsage, hint(fmt.Errorf("key %s: %s", path, strings.TrimPrefix(err.Error(), "ssh: ")), "name an SSH private key, not the .pub file; ssh-keygen -t ed25519 makes one")}
	}
	if st, err := os.Stat(path); err == nil && exposed(st) {
		return nil, exitError{exitUsage, hint(fmt.Errorf("key %s can be read by others (mode %04o): who signed would not be certain", path, st.Mode().Perm()), "chmod 600 %s", path)}
	}
	return signer, nil
}

// exposed is true for a file of this user that others may open, as OpenSSH sees it.
func exposed(st os.FileInfo) bool {
	own, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(own.Uid) == os.Geteuid() && st.Mode().IsRegular() && st.Mode().Perm()&0o077 != 0
}

// seal is the manifest of a report and its signature, on their way.
type seal struct {
	signer              ssh.Signer
	sources             []subject
	manifest, signature *outputFile
}

// openSeal makes room for the manifest beside the report that verify would be given: the JSON one, else the first.
func (o *outputs) openSeal(key string, reports []string) error {
	if len(reports) == 0 {
		return exitError{exitUsage, hint(errors.New("--sign signs files, and --report names none"), "add --report audit.json")}
	}
	signer, err := loadKey(key)
	if err != nil {
		return err
	}
	first := reports[0]
	for i, f := range o.formats {
		if f.Name == "json" {
			first = reports[i]
			break
		}
	}
	s := &seal{signer: signer}
	if err := o.add(first + manifestSuffix); err != nil {
		return err
	}
	if err := o.add(first + manifestSuffix + signatureSuffix); err != nil {
		return err
	}
	s.manifest, s.signature = o.files[len(o.files)-2], o.files[len(o.files)-1]
	o.seal = s
	return nil
}

// sealed writes the manifest of the outputs, which are whole, and its signature.
func (o *outputs) sealed(a *classify.Audit) error {
	s := o.seal
	var written []subject
	for _, f := range o.files {
		if f == s.manifest || f == s.signature {
			continue
		}
		sum, err := hashFile(f.Name())
		if err != nil {
			return outputError(f.path, bare(err), spaceAdvice)
		}
		written = append(written, subject{nameFrom(s.manifest.path, f.path), digest{sum}})
	}
	statement, err := statementOf(a, written, s.sources)
	if err != nil {
		return exitError{exitUsage, hint(fmt.Errorf("sign: %w", err), "audit with --hash sha256")}
	}
	text, err := json.MarshalIndent(statement, "", " ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	sig, err := sshsig.Sign(bytes.NewReader(text), s.signer, sshsig.HashSHA512, signatureNamespace)
	if err != nil {
		return exitError{exitUsage, fmt.Errorf("sign: %w", err)}
	}
	for _, w := range []struct {
		file *outputFile
		data []byte
	}{{s.manifest, text}, {s.signature, sshsig.Armor(sig)}} {
		if _, err := w.file.Write(w.data); err != nil {
			return outputError(w.file.path, bare(err), spaceAdvice)
		}
	}
	return nil
}
