package classify

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"pcapaudit/capture/flow"
)

// Pseudonyms is what replaces addresses and names: functions of one key. None may be nil.
type Pseudonyms struct {
	Key     string                              // fingerprint of the key
	Address func(netip.Addr) netip.Addr         // keeps common prefixes, and well-known addresses as they are
	Reverse func(netip.Addr) netip.Addr         // leads Address back
	Token   func(kind, text string) string      // the kind, "-" and twelve hexadecimal digits
	Digest  func(use, text string) [32]byte     // stands for what could be found by trying
	Seal    func(text []byte) []byte            // encrypts
	Open    func(sealed []byte) ([]byte, error) // undoes Seal
}

// Pseudonymised says that addresses and names in an audit are pseudonyms.
type Pseudonymised struct {
	Key    string   `json:"key"`    // fingerprint of the key that leads back
	Sealed []string `json:"sealed"` // base64 of what only the key opens: the names behind the pseudonyms
}

var (
	// ErrPseudonymised says that an audit holds pseudonyms where true names are needed.
	ErrPseudonymised = errors.New("its addresses and names are pseudonyms")
	// ErrOtherKey says that a key does not lead back.
	ErrOtherKey = errors.New("its pseudonyms were made with another key")
)

// Pseudonymise gives the audit with pseudonyms in place of everything that tells whom it is about, and leaves a as it is. Addresses keep their prefixes. Names of hosts,
// people, files, interfaces and all that a site calls its own become tokens, and so do words in sentences that neither this program nor an embedded pack uses.
// What the vendors' documents say, ports, times and numbers stay. Ids of findings and hashes of captures, site and other own files become digests with the key. The same
// audit and key give the same result.
func (p *Pseudonyms) Pseudonymise(a *Audit) (*Audit, error) {
	if a.Pseudonyms != nil {
		return nil, fmt.Errorf("%w already, made with the key %s", ErrPseudonymised, a.Pseudonyms.Key)
	}
	out := *a
	out.Evidence = nil // its packets have the true addresses
	r := newReplacer(p)
	r.walk(reflect.ValueOf(&out).Elem(), false)
	r.order()
	r.walk(reflect.ValueOf(&out).Elem(), true)
	out.sortAgain()
	out.Result.LookAt = lookAt(out.Findings)
	out.Coverage.CannotShow = append(out.Coverage.CannotShow, "Whose addresses and names these are: they are pseudonyms, and hashes of captures, site and other files of the site are digests of these; only the key "+p.Key+" leads back.")
	table, err := json.Marshal(r.table)
	if err != nil {
		return nil, err
	}
	out.Pseudonyms = &Pseudonymised{Key: p.Key, Sealed: []string{base64.StdEncoding.EncodeToString(p.Seal(table))}}
	return &out, nil
}

// sortAgain sorts what was in the order of names, which would tell how these compare.
func (a *Audit) sortAgain() {
	sortFindings(a.Findings)
	for i := range a.Findings {
		slices.Sort(a.Findings[i].Hosts)
	}
	for i := range a.Expectations {
		x := &a.Expectations[i]
		slices.Sort(x.Observed)
		slices.SortFunc(x.Open, func(a, b HostStatus) int {
			return cmp.Or(cmp.Compare(slices.Index(statusNames[:], a.Status), slices.Index(statusNames[:], b.Status)), cmp.Compare(a.Host, b.Host))
		})
	}
	if a.Inventory != nil {
		a.Inventory.sort()
	}
	slices.SortFunc(a.Matrix, compareCells)
	slices.SortFunc(a.SourcePorts, compareProfiles)
}

// Names gives what the pseudonyms of names in an audit stand for, and those of hashes.
func (p *Pseudonyms) Names(a *Audit) (map[string]string, error) {
	switch {
	case a.Pseudonyms == nil:
		return nil, errors.New("the audit has no pseudonyms")
	case a.Pseudonyms.Key != p.Key:
		return nil, fmt.Errorf("%w: %s, and this one is %s", ErrOtherKey, a.Pseudonyms.Key, p.Key)
	}
	names := map[string]string{}
	for _, s := range a.Pseudonyms.Sealed {
		sealed, err := base64.StdEncoding.DecodeString(s)
		if err == nil {
			sealed, err = p.Open(sealed)
		}
		if err == nil {
			err = json.Unmarshal(sealed, &names)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the sealed names of the audit: %w", err)
		}
	}
	return names, nil
}

// Sources gives a copy of a pseudonymised audit in which what was asked for and what it rests on have their true names and hashes, so that the audit can be made again.
// Findings and all that was judged stay as they are.
func (p *Pseudonyms) Sources(a *Audit) (*Audit, error) {
	names, err := p.Names(a)
	if err != nil {
		return nil, err
	}
	out := *a
	r := &replacer{p: p, back: names}
	for _, part := range []any{&out.Invocation, &out.Parts, &out.Inputs, &out.Packs, &out.Site, &out.Rules, &out.Compared, &out.Annotations, &out.Warnings} {
		r.reveal(reflect.ValueOf(part).Elem())
	}
	return &out, nil
}

// Listing replaces in connections, one at a time, as Pseudonymise does in audits. It is for one goroutine.
type Listing struct {
	r     *replacer
	conn  flow.Conn
	facts []flow.Fact
}

// Listing starts a list of connections.
func (p *Pseudonyms) Listing() *Listing { return &Listing{r: newReplacer(p)} }

// Connection gives a connection and its judgement, which may be nil, with pseudonyms. Both are valid until the next call.
func (l *Listing) Connection(c *flow.Conn, j *Judgement) (*flow.Conn, *Judgement) {
	l.r.bound()
	end := func(e netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(l.r.p.Address(e.Addr()), e.Port()) }
	l.conn, l.facts = *c, l.facts[:0]
	l.conn.Orig, l.conn.Resp = end(c.Orig), end(c.Resp)
	if c.ICMPErrorBy.IsValid() {
		l.conn.ICMPErrorBy = l.r.p.Address(c.ICMPErrorBy)
	}
	if c.Interface != "" {
		l.conn.Interface = l.r.token("interface", c.Interface)
	}
	for _, f := range c.Facts {
		switch f.Kind {
		case flow.FactName:
			f.Value = l.r.host(f.Value)
		case flow.FactNote:
			continue
		}
		l.facts = append(l.facts, f)
	}
	l.conn.Facts = l.facts
	if j == nil {
		return &l.conn, nil
	}
	out := *j
	l.r.walk(reflect.ValueOf(&out).Elem(), false)
	l.r.walk(reflect.ValueOf(&out).Elem(), true)
	return &l.conn, &out
}

// Mark is Audit.Mark for an older audit with pseudonyms of this key. a has the true names.
func (p *Pseudonyms) Mark(a, old *Audit, file, sha256 string) error {
	if old.Pseudonyms != nil && old.Pseudonyms.Key != p.Key {
		return fmt.Errorf("%w: %s, and this one is %s", ErrOtherKey, old.Pseudonyms.Key, p.Key)
	}
	hidden, err := p.Pseudonymise(a)
	if err != nil {
		return err
	}
	hidden.Mark(old, file, sha256)
	standing := map[string]string{}
	for i := range hidden.Findings {
		standing[hidden.Findings[i].ID] = hidden.Findings[i].Standing
	}
	for i := range a.Findings {
		a.Findings[i].Standing = standing[p.findingID(a.Findings[i].ID)]
	}
	a.Compared = hidden.Compared
	return nil
}

// findingID is the pseudonym of an id, from which nobody can try which finding it is.
func (p *Pseudonyms) findingID(id string) string {
	sum := p.Digest("finding", id)
	return hex.EncodeToString(sum[:8])
}

// SameNames says whether two audits call the same by the same names: both by the true ones, or by pseudonyms of one key.
func SameNames(a, b *Audit) error {
	switch {
	case a.Pseudonyms == nil && b.Pseudonyms == nil:
		return nil
	case a.Pseudonyms == nil || b.Pseudonyms == nil:
		return errors.New("only one of them has pseudonyms: their names cannot be compared")
	case a.Pseudonyms.Key != b.Pseudonyms.Key:
		return fmt.Errorf("their pseudonyms are of different keys, %s and %s: their names cannot be compared", a.Pseudonyms.Key, b.Pseudonyms.Key)
	}
	return nil
}
