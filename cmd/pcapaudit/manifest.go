package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"pcapaudit/classify"
)

// The manifest of a signed report is an in-toto statement (version 1) beside it; its signature lies beside the manifest.
const (
	manifestSuffix  = ".manifest.json"
	signatureSuffix = ".sig"

	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "urn:pcapaudit:report:1"

	maxManifest = 64 << 20 // bytes
)

// statement says which bytes belong together: the subjects are what was written and what was read, by SHA-256.
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     predicate `json:"predicate"`
}

type subject struct {
	Name   string `json:"name"`
	Digest digest `json:"digest"`
}

type digest struct {
	SHA256 string `json:"sha256"`
}

// predicate says what the subjects are to each other. Names of outputs are relative to the manifest.
type predicate struct {
	Tool        classify.Tool `json:"tool"`
	Result      string        `json:"result"`
	Outputs     []string      `json:"outputs"`
	Sources     []string      `json:"sources"` // audits that were rendered or combined
	Inputs      []string      `json:"inputs"`  // captures
	Packs       []subject     `json:"packs"`
	Site        *subject      `json:"site"`                  // null without one
	Inventories []subject     `json:"inventories,omitempty"` // that the site has hosts from
	Annotations *subject      `json:"annotations"`
	Baseline    *subject      `json:"baseline"`
}

// errNotHashed says that an audit does not know what it has read.
var errNotHashed = errors.New("the audit was made with --hash none: nothing binds it to its captures")

// statementOf puts outputs and what they rest on into one statement.
func statementOf(a *classify.Audit, outputs, sources []subject) (*statement, error) {
	s := &statement{Type: statementType, PredicateType: predicateType, Predicate: predicate{Tool: a.Tool, Result: a.Result.Verdict, Outputs: []string{}, Sources: []string{}, Inputs: []string{}, Packs: []subject{}}}
	p := &s.Predicate
	for _, o := range outputs {
		s.Subject, p.Outputs = append(s.Subject, o), append(p.Outputs, o.Name)
	}
	for _, o := range sources {
		s.Subject, p.Sources = append(s.Subject, o), append(p.Sources, o.Name)
	}
	for _, in := range a.Inputs {
		if in.Format == classify.LiveFormat { // packets that passed are bytes that nobody keeps
			continue
		}
		if in.SHA256 == "" {
			return nil, errNotHashed
		}
		s.Subject, p.Inputs = append(s.Subject, subject{in.Name, digest{in.SHA256}}), append(p.Inputs, in.Name)
	}
	for _, k := range a.Packs {
		p.Packs = append(p.Packs, subject{k.Name, digest{k.SHA256}})
	}
	if a.Site != nil {
		p.Site = &subject{a.Site.Name, digest{a.Site.SHA256}}
		for _, v := range a.Site.Inventories {
			p.Inventories = append(p.Inventories, subject{v.File, digest{v.SHA256}})
		}
	}
	if n := a.Annotations; n != nil {
		p.Annotations = &subject{n.File, digest{n.SHA256}}
	}
	if c := a.Compared; c != nil {
		p.Baseline = &subject{c.File, digest{c.SHA256}}
	}
	return s, nil
}

// readManifest reads a statement as this program writes it.
func readManifest(data []byte) (*statement, error) {
	s := new(statement)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("no manifest: %w", err)
	}
	if s.Type != statementType || s.PredicateType != predicateType {
		return nil, fmt.Errorf("no manifest of a report: its types are %.80q and %.80q", s.Type, s.PredicateType)
	}
	p := &s.Predicate
	if !slices.EqualFunc(s.Subject, slices.Concat(p.Outputs, p.Sources, p.Inputs), func(j subject, name string) bool { return j.Name == name }) {
		return nil, errors.New("no manifest of a report: its subjects are not its outputs, sources and inputs")
	}
	return s, nil
}

// files are the outputs and the sources with their hashes.
func (s *statement) files() (outputs, sources []subject) {
	n := len(s.Predicate.Outputs)
	return s.Subject[:n], s.Subject[n : n+len(s.Predicate.Sources)]
}

// hashFile is the SHA-256 of a regular file's bytes. Audits and manifests name the files, so that anything else might never end.
func hashFile(path string) (string, error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// readSmall reads a file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return data, err
}

// nameFrom gives an output's name as seen from the manifest's folder; the path itself where there is no way from one to the other.
func nameFrom(manifest, path string) string {
	if name, err := filepath.Rel(filepath.Dir(manifest), path); err == nil {
		return filepath.ToSlash(name)
	}
	return path
}
