package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// PackDiff is what changed from one pack to another, by names: of the pack, its documents, roles, conditions and flows. Citations and notes count, the order of entries does not.
type PackDiff struct {
	Schema     string        `json:"schema"`
	Old        PackVersion   `json:"old"`
	New        PackVersion   `json:"new"`
	Pack       []FieldChange `json:"pack"`
	Documents  []EntryChange `json:"documents"`
	Roles      []EntryChange `json:"roles"`
	Conditions []EntryChange `json:"conditions"`
	Flows      []EntryChange `json:"flows"`
}

// PackVersion says which file a pack of a comparison is.
type PackVersion struct {
	Name           string `json:"name"`
	ProductVersion string `json:"product_version"`
	SHA256         string `json:"sha256"`
	Flows          int    `json:"flows"`
}

// EntryChange is an entry that is new, gone, renamed or changed.
type EntryChange struct {
	Name    string        `json:"name"` // the new one of a renamed entry
	Was     string        `json:"was"`  // the old name of a renamed entry, else ""
	State   string        `json:"state"`
	Text    string        `json:"text"`    // what the entry is, in a few words: of the new one, or of one that is gone
	Changes []FieldChange `json:"changes"` // none for entries that are new or gone
}

// FieldChange is one key with another value.
type FieldChange struct {
	Key  string `json:"key"`
	Old  string `json:"old"`
	New  string `json:"new"`
	Text string `json:"text"` // in words: "tcp/443 from required to optional"
}

// States of an entry.
const (
	EntryNew     = "new"
	EntryGone    = "gone"
	EntryRenamed = "renamed"
	EntryChanged = "changed"
)

// Empty says whether nothing changed.
func (d *PackDiff) Empty() bool {
	return len(d.Pack)+len(d.Documents)+len(d.Roles)+len(d.Conditions)+len(d.Flows) == 0
}

// ComparePacks says what changed from one pack to another. An entry that is gone and a new one that has all but name, title, citation and note in common are one that
// was renamed; flows are compared with the new names of their roles, conditions and flows.
func ComparePacks(old, now *Pack) *PackDiff {
	d := &PackDiff{Schema: "pcapaudit.rulesdiff/1", Old: versionOf(old), New: versionOf(now)}
	d.Pack = changes(headFields(old), headFields(now), "")
	var documents, roles, conditions map[string]string
	d.Documents, documents = compareEntries(entriesOf(old.Documents, documentEntry), entriesOf(now.Documents, documentEntry))
	d.Conditions, conditions = compareEntries(entriesOf(old.Conditions, conditionEntry), entriesOf(now.Conditions, conditionEntry))
	d.Roles, roles = compareEntries(roleEntries(old), roleEntries(now))
	was := renamer{roles, conditions, documents}
	d.Flows, _ = compareEntries(entriesOf(old.Flows, was.entry), entriesOf(now.Flows, renamer{}.entry))
	return d
}

func versionOf(p *Pack) PackVersion {
	return PackVersion{p.Name, p.ProductVersion, p.SHA256, len(p.Flows)}
}

// field is a key with its value in words.
type field struct {
	key, value string
	loose      bool // may differ where an entry was renamed
}

// diffEntry is one entry of a list.
type diffEntry struct {
	name, text string
	fields     []field
	service    string // of a flow
}

func entriesOf[T any](list []T, entry func(T) diffEntry) []diffEntry {
	var entries []diffEntry
	for _, e := range list {
		entries = append(entries, entry(e))
	}
	return entries
}

func headFields(p *Pack) []field {
	var ranges []string
	for _, os := range slices.Sorted(maps.Keys(p.SourceRanges)) {
		ranges = append(ranges, os+" "+p.SourceRanges[os])
	}
	return []field{{"name", p.Name, false}, {"kind", string(p.Kind), false}, {"title", p.Title, false}, {"product_version", p.ProductVersion, false},
		{"status", string(p.Status), false}, {"source_ranges", strings.Join(ranges, ", "), false}}
}

func documentEntry(d Document) diffEntry {
	return diffEntry{d.ID, d.Title, []field{{"title", d.Title, false}, {"date", d.Date, false}, {"file", d.File, false}}, ""}
}

func conditionEntry(c Condition) diffEntry {
	return diffEntry{c.Name, c.Title, []field{{"title", c.Title, false}, {"default", c.Default, false}}, ""}
}

func roleEntries(p *Pack) []diffEntry {
	return entriesOf(p.Roles, func(r Role) diffEntry {
		return diffEntry{r.Name, r.Title, []field{{"title", r.Title, false}, {"addresses", list(r.Addresses), false}, {"names", list(r.Names), false}}, ""}
	})
}

// renamer gives roles, conditions and documents of the older pack their new names.
type renamer struct{ roles, conditions, documents map[string]string }

func newName(name string, renamed map[string]string) string {
	if now, ok := renamed[name]; ok {
		return now
	}
	return name
}

func (n renamer) ends(names []string) string {
	var now []string
	for _, name := range names {
		now = append(now, newName(name, n.roles))
	}
	slices.Sort(now)
	return list(now)
}

func (n renamer) entry(f *Flow) diffEntry {
	condition, negated := strings.CutPrefix(f.Condition, "!")
	if condition = newName(condition, n.conditions); negated {
		condition = "!" + condition
	}
	var cites []string
	for _, c := range f.Cite {
		cites = append(cites, strings.TrimSpace(strings.Join([]string{newName(c.Document, n.documents), c.Lines, c.Section}, " ")))
	}
	return diffEntry{f.ID, statedService(f) + " " + list(f.From) + arrows[f.Originator] + list(f.To) + ": " + f.Title, []field{
		{"title", f.Title, true}, {"from", n.ends(f.From), false}, {"to", n.ends(f.To), false}, {"originator", f.Originator, false}, {"service", statedService(f), false},
		{"ports_mode", f.PortsMode, false}, {"paired_with", f.PairedWith, true}, {"announced_by", f.AnnouncedBy, false}, {"source_ports", f.SourcePorts, false},
		{"reply", f.Reply, false}, {"need", f.Need, false}, {"occurrence", f.Occurrence, false}, {"condition", condition, false}, {"scope", f.Scope, false},
		{"satisfied_by", f.SatisfiedBy, false}, {"proxy", fmt.Sprint(f.Proxy), false}, {"configurable", fmt.Sprint(f.Configurable), false}, {"encryption", f.Encryption, false},
		{"encryption_protocols", list(f.EncryptionProtocols), false}, {"reference", fmt.Sprint(f.Reference), false}, {"cite", strings.Join(cites, "; "), true}, {"note", f.Note, true}}, statedService(f)}
}

var arrows = map[string]string{"from": " -> ", "either": " <-> "}

// statedService is a flow's protocol and responder ports as the document states them: "tcp/80,443", "icmp type 8", "tcp/unstated".
func statedService(f *Flow) string {
	switch {
	case len(f.ICMPTypes) > 0:
		return f.Proto + " type " + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(f.ICMPTypes)), ","), "[]")
	case len(f.Ports) == 0:
		return f.Proto
	}
	return f.Proto + "/" + strings.Join(f.Ports, ",")
}

func list(words []string) string { return strings.Join(words, ", ") }

// changes are the fields that differ; service is that of a flow.
func changes(old, now []field, service string) []FieldChange {
	found := []FieldChange{}
	for i := range now {
		if old[i].value != now[i].value {
			found = append(found, FieldChange{now[i].key, old[i].value, now[i].value, changeText(now[i].key, old[i].value, now[i].value, service)})
		}
	}
	return found
}

// changeText puts a change into words.
func changeText(key, old, now, service string) string {
	switch {
	case key == "service":
		return old + " becomes " + now
	case key == "need":
		return fmt.Sprintf("%s from %s to %s", service, old, now)
	case now == "":
		return fmt.Sprintf("%s %s is gone", key, old)
	case old == "":
		return fmt.Sprintf("%s is now %s", key, now)
	}
	return fmt.Sprintf("%s from %s to %s", key, old, now)
}

// compareEntries pairs entries by name, then those left by what they say. It gives the differences in the order of the new entries, those gone last, and the renamed names.
func compareEntries(old, now []diffEntry) ([]EntryChange, map[string]string) {
	before := map[string]diffEntry{}
	for _, e := range old {
		before[e.name] = e
	}
	var gone []diffEntry
	for _, e := range old {
		if !slices.ContainsFunc(now, func(n diffEntry) bool { return n.name == e.name }) {
			gone = append(gone, e)
		}
	}
	found, renamed := []EntryChange{}, map[string]string{}
	for _, e := range now {
		was, same := before[e.name]
		state := EntryChanged
		if !same {
			i := slices.IndexFunc(gone, func(g diffEntry) bool { return g.alike(e) })
			if i < 0 {
				found = append(found, EntryChange{e.name, "", EntryNew, e.text, []FieldChange{}})
				continue
			}
			was, state = gone[i], EntryRenamed
			renamed[was.name] = e.name
			gone = slices.Delete(gone, i, i+1)
		}
		c := EntryChange{e.name, renamedFrom(was.name, e.name), state, e.text, changes(was.fields, e.fields, e.service)}
		if len(c.Changes) > 0 || state == EntryRenamed {
			found = append(found, c)
		}
	}
	for _, e := range gone {
		found = append(found, EntryChange{e.name, "", EntryGone, e.text, []FieldChange{}})
	}
	return found, renamed
}

func renamedFrom(was, name string) string {
	if was == name {
		return ""
	}
	return was
}

// alike says whether two entries of different names say the same, and something.
func (e diffEntry) alike(o diffEntry) bool {
	return e.text != "" && slices.EqualFunc(e.fields, o.fields, func(a, b field) bool { return a.loose || a.value == b.value })
}
