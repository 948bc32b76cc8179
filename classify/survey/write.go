package survey

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Draft is a site file that has no problem, and what it holds.
type Draft struct {
	Text     []byte
	Hosts    int
	Roles    int
	Guesses  int // of the roles
	Unplaced int // hosts without a role, which stand in comments
}

// maxUnplaced is how many hosts without a role are listed; the others are counted.
const maxUnplaced = 200

// Draft proposes a site file. Title says of what; it is cleaned. It fails where the packs do not fit each other.
func (s *Survey) Draft(title string) (*Draft, error) {
	d := s.decide()
	var out Draft
	var b writer
	b.WriteString(rules.SchemaLine(rules.SiteSchemaFile))
	b.comment("", fmt.Sprintf("Drafted by a program from %s, against %s. It proposes, and approves nothing: go through every entry, correct it and remove what does not belong here.", title, s.packNames()))
	b.comment("", "clear: several connections say so and no other role fits; likely: fewer; guess: one connection, another role fits as well, only what many kinds of hosts do was seen (web, RPC, file sharing, ping, platform traffic), or the document states no port.")
	b.put("name: %s\n", quoted("draft of "+clean(title)))
	b.put("status: %s\n", rules.DraftStatus)
	b.networks(s.networks(d.hosts))
	b.put("hosts:\n")
	for _, h := range d.placed() {
		out.Hosts++
		claims := d.claims(h)
		for _, c := range claims {
			out.Roles++
			if c.sure == "guess" {
				out.Guesses++
			}
		}
		b.host(d, h, claims)
	}
	if out.Hosts == 0 || !d.vendorSeen() {
		return nil, fmt.Errorf("no connection of the capture fits a documented flow of %s: there is nothing to draft; see what it holds with pcapaudit connections", s.packNames())
	}
	out.Unplaced = b.unplaced(d)
	b.conditions(d.conditions())
	b.overrides(d.overrides())
	b.translations(d)
	b.limits(d)
	out.Text = []byte(b.String())
	return &out, s.check(out.Text)
}

// packNames are the packs of vendors, or where there are none all.
func (s *Survey) packNames() string {
	var names, vendors []string
	for _, p := range s.set.Packs {
		names = append(names, p.Name)
		if p.Kind == rules.Vendor {
			vendors = append(vendors, p.Name)
		}
	}
	if len(vendors) > 0 {
		names = vendors
	}
	return clean(strings.Join(names, ", "))
}

// vendorSeen says whether a host plays a role of a vendor's pack, or whether none was asked for.
func (d *decision) vendorSeen() bool {
	vendors := false
	for n, held := range d.held {
		if held > 0 && !d.roles.baseline[n] {
			return true
		}
		vendors = vendors || !d.roles.baseline[n]
	}
	return !vendors
}

// check loads what was written as an audit would.
func (s *Survey) check(text []byte) error {
	site, problems := rules.LoadSiteBytes("draft.yaml", text)
	if rules.Failed(problems) {
		return fmt.Errorf("the draft is no site file: %s", problems[0])
	}
	packs := slices.DeleteFunc(slices.Clone(s.set.Packs), func(p *rules.Pack) bool { return p.Kind == rules.Local })
	if _, problems = rules.Compile(packs, site); rules.Failed(problems) {
		return fmt.Errorf("the draft does not fit the packs: %s", problems[slices.IndexFunc(problems, func(p rules.Problem) bool { return p.Severity == rules.Error })])
	}
	return nil
}

// placed are the hosts that a draft proposes: those with a role, as far as there is room for them.
func (d *decision) placed() []*host {
	list := slices.DeleteFunc(slices.Clone(d.hosts), func(h *host) bool { return len(h.roles) == 0 || h.known != nil })
	d.beyond = max(len(list)-maxHosts, 0)
	return list[:len(list)-d.beyond]
}

// writer writes YAML with comments. Nothing from the wire gets into it but through comment and quoted.
type writer struct{ strings.Builder }

func (b *writer) put(format string, args ...any) { fmt.Fprintf(b, format, args...) }

// width is where comments are broken.
const width = 160

// comment writes lines of a comment.
func (b *writer) comment(indent, text string) {
	line := indent + "#"
	for _, word := range strings.Fields(clean(text)) {
		if len(line)+1+len(word) > width && len(line) > len(indent)+1 {
			b.put("%s\n", line)
			line = indent + "#  "
		}
		line += " " + word
	}
	b.put("%s\n", line)
}

// clean makes every character that does not print a question mark, and bounds the length.
func clean(s string) string {
	const most = 4000
	s = strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// quoted is a text as YAML reads it back whatever it holds.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(clean(s)) + `"`
}

// quotedAddr quotes what YAML could take for something else.
func quotedAddr(a string) string {
	if strings.Contains(a, ":") {
		return `"` + a + `"`
	}
	return a
}

func (b *writer) networks(list []network) {
	if len(list) == 0 {
		return
	}
	b.put("networks:\n")
	for _, n := range list {
		b.network("  ", n)
	}
}

func (b *writer) network(indent string, n network) {
	b.comment(indent, n.evidence())
	b.put("%s- %s\n", indent, quotedAddr(n.prefix.String()))
}

func (n network) evidence() string {
	text := fmt.Sprintf("addresses seen: %d; the length of the prefix is assumed", n.hosts)
	if n.public {
		text += "; the addresses are public, and are taken for inside because of who shares them or talks to whom in this prefix"
	}
	return text
}

func (b *writer) host(d *decision, h *host, claims []claim) {
	if h.nameFrom == "" {
		b.comment("  ", "nothing in the capture names it")
	} else {
		b.comment("  ", fmt.Sprintf("named by %s", h.nameFrom)+d.s.otherNames(h))
	}
	b.put("  - name: %s\n", quoted(h.name))
	if h.together != "" {
		b.comment("    ", "one host, for "+h.together)
	}
	if !h.inside {
		b.comment("    ", "outside the networks")
	}
	b.put("    addresses: [%s]\n", addressList(h.addrs))
	if names := d.s.told(h); len(names) > 0 && !h.inside {
		b.put("    names: [%s]\n", strings.Join(names, ", "))
	}
	if h.inside || len(h.out) > 0 {
		b.system(d.s.systemOf(h.addrs))
	}
	b.put("    roles:\n")
	for _, c := range claims {
		b.comment("      ", c.words())
		b.put("      - %s\n", c.role)
	}
	if left := d.unexplained(h); len(left) > 0 {
		b.comment("    ", "no documented flow explains: "+traffic(h, left))
	}
}

func (b *writer) system(sys system) {
	b.comment("    ", sys.evidence)
	if sys.doubt != "" {
		b.comment("    ", "DOUBT: "+sys.doubt)
	}
	if sys.os != "" {
		b.put("    os: %s\n", sys.os)
	}
}

func (c *claim) words() string {
	text := c.sure + ": " + c.evidence
	if len(c.others) > 0 {
		text += "; also fits " + strings.Join(c.others, ", ")
	}
	return text
}

func addressList(list []netip.Addr) string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = quotedAddr(a.String())
	}
	return strings.Join(texts, ", ")
}

// otherNames are those that the host goes by beside the one that it got.
func (s *Survey) otherNames(h *host) string {
	var others []string
	for _, n := range s.namesOf(h) {
		if word := fmt.Sprintf("%s (%s)", n.text, n.origin); !slices.Contains(others, word) && len(others) < maxListed {
			others = append(others, word)
		}
	}
	return ": " + strings.Join(others, ", ")
}

// told are the names that DNS gave to a host and nobody else, quoted. What an originator claims is not among them.
func (s *Survey) told(h *host) []string {
	var list []string
	for _, n := range s.namesOf(h) {
		text := quoted(strings.ToLower(n.text))
		if n.origin == flow.NameDNS && !strings.Contains(n.text, "_") && !slices.Contains(list, text) && s.onlyAt(n.text, h) && s.set.ByName(strings.ToLower(n.text)) == nil {
			list = append(list, text)
		}
	}
	return list
}

// onlyAt says whether a name stands for addresses of this host alone.
func (s *Survey) onlyAt(text string, h *host) bool {
	if s.bearers == nil {
		s.bearers = map[string][]netip.Addr{}
		for a, names := range s.names {
			for _, n := range names {
				key := strings.ToLower(n.text)
				s.bearers[key] = append(s.bearers[key], a)
			}
		}
	}
	return !slices.ContainsFunc(s.bearers[strings.ToLower(text)], func(a netip.Addr) bool { return !slices.Contains(h.addrs, a) })
}

// traffic says what exchanges of a host are.
func traffic(h *host, list []*use) string {
	var in, out []*use
	for _, u := range list {
		if u.orig == h {
			out = append(out, u)
		} else {
			in = append(in, u)
		}
	}
	var words []string
	if len(in) > 0 {
		words = append(words, fmt.Sprintf("answers %s from %s", services(in), originators(in)))
	}
	if len(out) > 0 {
		words = append(words, fmt.Sprintf("opens %s to %s", services(out), responders(out)))
	}
	return strings.Join(words, "; ")
}

// unplaced lists the hosts that no documented flow explains as comments: an audit is to call them unknown until somebody knows them.
func (b *writer) unplaced(d *decision) int {
	n := 0
	for _, h := range d.hosts {
		left := d.unexplained(h)
		if len(h.roles) > 0 || h.known != nil || h.fixed || len(left) == 0 {
			continue
		}
		if n++; n > maxUnplaced {
			continue
		}
		if n == 1 {
			b.comment("  ", "Hosts without a role, for nothing that they do fits a documented flow. An audit calls them unknown until they stand here:")
		}
		b.comment("  ", fmt.Sprintf("- {name: %s, addresses: [%s]} %s", quoted(h.name), addressList(h.addrs), traffic(h, left)))
	}
	if n > maxUnplaced {
		b.comment("  ", fmt.Sprintf("and %d more", n-maxUnplaced))
	}
	return n
}

func (b *writer) conditions(list []condition) {
	var open []string
	first := true
	for _, c := range list {
		if c.state == "" {
			open = append(open, c.name)
			continue
		}
		if first {
			b.put("conditions:\n")
			first = false
		}
		b.condition(c)
	}
	if len(open) > 0 {
		b.comment("", "Nothing of these was seen, which does not say that they are off: "+strings.Join(open, ", "))
	}
}

func (b *writer) condition(c condition) {
	b.comment("  ", fmt.Sprintf("%s: %s", c.title, c.evidence))
	state := c.state
	if c.partly != "" {
		b.comment("  ", fmt.Sprintf("left open: %s. Where it is %s, the others are missing something", c.partly, c.state))
		state = "unknown"
	}
	b.put("  - {name: %s, state: %s}\n", c.name, quoted(state))
}

// overrides are comments: a port that a document does not state needs the word of somebody who knows where it comes from.
func (b *writer) overrides(list []override) {
	if len(list) == 0 {
		return
	}
	b.comment("", "Ports that a document leaves to the site, or that look moved. Uncomment what is right, and say where it is known from and who approves it:")
	b.comment("", "ports:")
	for _, o := range list {
		b.put("#   - {flow: %s, ports: [%s], to: [%s], source: \"\", approver: \"\"}\n", o.flow.Ref(), `"`+strings.Join(o.ports, `", "`)+`"`, quoted(o.to.name))
		b.comment("#    ", "guess: "+o.why)
	}
}

// limits says what did not fit into the survey.
func (b *writer) limits(d *decision) {
	l := &d.s.lost
	if l.addresses+l.exchanges+l.announced+l.stacks > 0 || d.beyond > 0 {
		b.comment("", fmt.Sprintf("The capture holds more than a draft takes. Not considered: connections of further addresses %d, of further pairs %d, announcements %d, SYNs %d; hosts with roles that are not written here: %d. "+
			"Draft from parts of it (--net, --since).", l.addresses, l.exchanges, l.announced, l.stacks, d.beyond))
	}
	if d.work > maxWork {
		b.comment("", "The search for roles was ended before it stood still: there are too many connections for it. Draft from parts of the capture.")
	}
	b.comment("", "A capture does not say: who stands behind a translation, which proxies are meant, what is approved (exceptions, flows), allowed hours, the period, the vantage point. Add what is so.")
}
