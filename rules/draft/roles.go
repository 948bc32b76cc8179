package draft

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"pcapaudit/rules"
)

// Roles for ends that a document leaves open. They are bound to no host until somebody says who it is.
const (
	originatorNotStated = "originator-not-stated"
	responderNotStated  = "responder-not-stated"
	productRole         = "product"
	lanRole             = "lan-host"
)

var openRoles = map[string]string{
	originatorNotStated: "Who opens these connections: the document does not say it beside the ports; put the role in its place",
	responderNotStated:  "Who answers these connections: the document does not say it beside the ports; put the role in its place",
	productRole:         "The product that the document is about: outbound and inbound are seen from it",
	lanRole:             "A host on the LAN side of the product",
}

// roleBook keeps the roles of a draft in the order in which the document names them.
type roleBook struct {
	list   []*rules.Role
	byName map[string]*rules.Role

	dropped int // host names and addresses beyond maxAddress
}

// open is a role for an end that is not stated.
func (b *roleBook) open(name string) string { return b.put(name, openRoles[name]).Name }

func (b *roleBook) put(name, title string) *rules.Role {
	if r := b.byName[name]; r != nil {
		return r
	}
	if b.byName == nil {
		b.byName = map[string]*rules.Role{}
	}
	r := &rules.Role{Name: name, Title: title}
	b.byName[name] = r
	b.list = append(b.list, r)
	return r
}

// printed is the role that the document names by a text; two texts that differ are two roles. "" is the role of an end that is not stated.
func (b *roleBook) printed(text, open string) string {
	if isNothing(text) {
		return b.open(open)
	}
	folded := fold(text)
	if strings.TrimSpace(text) == "*" || slices.Contains(anyone, folded) {
		return "any"
	}
	if name := reserved[folded]; name != "" {
		return name
	}
	if names, addresses, rest := hostsIn(text); rest == "" && len(names)+len(addresses) > 0 {
		return b.hosts(strings.Join(append(names, addresses...), " "), names, addresses)
	}
	return b.titled(clean(plain(text), 200))
}

// titled is the role of a title; titles of one slug and different words get names of their own.
func (b *roleBook) titled(title string) string {
	name := slug(title, 60)
	if name == "" {
		name = "role"
	}
	for r := b.byName[name]; ; r = b.byName[name] {
		if r == nil && !isReservedRole(name) {
			return b.put(name, title).Name
		}
		if r != nil && fold(r.Title) == fold(title) {
			return name
		}
		name += "-x" // not a number: the text may end with one
	}
}

func isReservedRole(name string) bool {
	_, open := openRoles[name]
	return open || slices.Contains([]string{"any", "internet", "broadcast", "multicast"}, name)
}

// hosts is a role whose hosts the document names.
func (b *roleBook) hosts(title string, names, addresses []string) string {
	name := b.titled(clean(title, 200))
	b.extend(name, names, addresses)
	return name
}

// extend gives a role further host names and addresses.
func (b *roleBook) extend(role string, names, addresses []string) {
	r := b.byName[role]
	b.fill(&r.Names, names)
	b.fill(&r.Addresses, addresses)
}

// fill adds what a list does not have yet, and counts what it has no room for.
func (b *roleBook) fill(list *[]string, more []string) {
	for _, s := range more {
		switch {
		case slices.Contains(*list, s):
		case len(*list) >= maxAddress:
			b.dropped++
		default:
			*list = append(*list, s)
		}
	}
}

var hostName = regexp.MustCompile(`^(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?$`)

// hostsIn are the host names and addresses that a text begins with, and what follows them: "portal.example [192.0.2.7] TCP 443" gives one of each.
func hostsIn(text string) (names, addresses []string, rest string) {
	const joints = " \t\r\n\u00a0,;[]()<>`\"'"
	rest = text
	for {
		rest = strings.TrimLeft(rest, joints)
		end := strings.IndexAny(rest, joints)
		if end < 0 {
			end = len(rest)
		}
		word := strings.ToLower(rest[:end])
		word = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(word, "https://"), "http://"), "/")
		name, port := cutPort(word)
		switch a, ok := address(word); {
		case ok:
			addresses = append(addresses, a)
		case hostName.MatchString(name) && len(name) <= 253:
			names = append(names, name)
			if port {
				return names, addresses, rest[len(rest[:end])-len(word)+len(name)+1:]
			}
		default:
			return names, addresses, strings.TrimSpace(rest)
		}
		rest = rest[end:]
	}
}

// cutPort cuts a colon and what follows it off a name.
func cutPort(word string) (name string, port bool) {
	if i := strings.LastIndexByte(word, ':'); i > 0 && (i == len(word)-1 || isNumber(word[i+1:])) {
		return word[:i], true
	}
	return word, false
}

// address is an address or a prefix without host bits as a pack writes it.
func address(word string) (string, bool) {
	if a, err := netip.ParseAddr(word); err == nil && a.Zone() == "" {
		return word, true
	}
	p, err := netip.ParsePrefix(word)
	return word, err == nil && p == p.Masked() && p.Bits() > 0 && !p.Addr().Is4In6()
}
