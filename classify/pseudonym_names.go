package classify

import (
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// replacer replaces the strings of one audit.
type replacer struct {
	p       *Pseudonyms
	hosts   map[string]string // by what host replaces
	names   map[string]string // what was replaced, by what: sentences name it, too
	lengths []int             // of names, longest first
	table   map[string]string // tokens and hashes, and what they stand for
	back    map[string]string // the table of an audit that is revealed
	own     bool              // the flow of the struct in work is none of an embedded pack
}

func newReplacer(p *Pseudonyms) *replacer {
	return &replacer{p: p, hosts: map[string]string{}, names: map[string]string{}, table: map[string]string{}}
}

// maxListed bounds what a list of connections remembers of its names.
const maxListed = 1 << 16

func (r *replacer) bound() {
	if len(r.names) > maxListed {
		clear(r.hosts)
		clear(r.names)
		clear(r.table)
	}
}

// note remembers what stands for s.
func (r *replacer) note(s, to string) string {
	r.names[s] = to
	return to
}

// order makes names ready to be looked for in sentences.
func (r *replacer) order() {
	seen := map[int]bool{}
	for name := range r.names {
		if !seen[len(name)] {
			seen[len(name)] = true
			r.lengths = append(r.lengths, len(name))
		}
	}
	slices.Sort(r.lengths)
	slices.Reverse(r.lengths)
}

func (r *replacer) token(kind, s string) string {
	to := r.p.Token(kind, s)
	if _, known := r.table[to]; !known {
		r.table[to] = s
	}
	return r.note(s, to)
}

// name is the token of a host name. Upper and lower case and a dot at the end make no difference, as in DNS.
func (r *replacer) name(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		return r.note(s, r.p.Address(a).String())
	}
	to := r.p.Token("host", strings.ToLower(strings.TrimSuffix(s, ".")))
	if _, known := r.table[to]; !known {
		r.table[to] = s
	}
	return r.note(s, to)
}

var translated = regexp.MustCompile(`^(.*?)((?: and \d+ more)? \(translated\))$`)

// host replaces a host as audits name it: a name, an address, a name with the address that plays it, "name (translated)".
func (r *replacer) host(s string) string {
	to, known := r.hosts[s]
	if !known {
		to = r.newHost(s)
		r.hosts[s] = to
	}
	return to
}

func (r *replacer) newHost(s string) string {
	if m := translated.FindStringSubmatch(s); m != nil {
		return r.note(s, r.name(m[1])+m[2])
	}
	if i := strings.LastIndexByte(s, ' '); i > 0 {
		if to, ok := mapAddress(s[i+1:], r.p.Address); ok {
			return r.note(s, r.name(s[:i])+" "+to)
		}
	}
	return r.name(s)
}

// fixedParties are what the audit says where it names no role.
var fixedParties = []string{"any", "internet", "broadcast", "multicast", "host without a role", "no host of the site"}

// role replaces "pack/role", "host:NAME" and, in rows about the site's own flows, the names of hosts.
func (r *replacer) role(s string) string {
	packs := packVocabulary()
	name, isHost := strings.CutPrefix(s, "host:")
	switch {
	case slices.Contains(fixedParties, s), packs.phrases[s], packs.roles[s] && !r.own:
		return s
	case isHost:
		return r.note(s, "host:"+r.host(name))
	case strings.Contains(s, "/"):
		return r.qualified("role", s)
	}
	return r.host(s)
}

// qualified replaces "pack/name": the pack where it is not embedded, and then the name. "local" says nothing about a site.
func (r *replacer) qualified(kind, s string) string {
	packs := packVocabulary()
	if packs.phrases[s] {
		return s
	}
	pack, name, ok := strings.Cut(s, "/")
	if !ok {
		return r.token(kind, s)
	}
	to := r.p.Token(kind, s)
	r.table[to] = s
	if _, taken := r.names[name]; !taken && !packs.words[name] {
		r.names[name] = to
	}
	return r.note(s, r.pack(pack)+"/"+to)
}

func (r *replacer) pack(s string) string {
	if s == "local" || packVocabulary().words[s] {
		return s
	}
	return r.token("pack", s)
}

// tokenForm finds tokens and hashes.
var tokenForm = regexp.MustCompile(`\b(?:[a-z]+-[0-9a-f]{12}|[0-9a-f]{64})\b`)

// IsToken says whether s has the form of a token.
func IsToken(s string) bool { return tokenForm.FindString(s) == s && s != "" }

// reveal leads every string in a value back.
func (r *replacer) reveal(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			own := reflect.New(v.Type().Elem())
			own.Elem().Set(v.Elem())
			v.Set(own)
			r.reveal(own.Elem())
		}
	case reflect.Slice:
		unshare(v)
		for i := range v.Len() {
			r.reveal(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			r.reveal(v.Field(i))
		}
	case reflect.String:
		s := v.String()
		if to, ok := mapAddress(s, r.p.Reverse); ok {
			v.SetString(to)
			return
		}
		v.SetString(tokenForm.ReplaceAllStringFunc(s, func(token string) string {
			if name, known := r.back[token]; known {
				return name
			}
			return token
		}))
	}
}
