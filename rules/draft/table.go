package draft

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"pcapaudit/rules"
)

// ends are the two roles of a flow.
type ends struct {
	from, to string
	either   bool
	scope    string
}

// tableReader makes flows of the rows of one table.
type tableReader struct {
	*assembler
	t    *table
	at   layout
	mark int // flows before the table
}

func (a *assembler) table(t *table) {
	if len(t.header.cells) == 0 || len(t.rows) == 0 {
		a.leave(t.first, t.last, strings.Join(t.header.cells, " | "), "a table without header or rows")
		return
	}
	at, why := recognise(t)
	if why != "" {
		a.leave(t.first, t.last, strings.Join(t.header.cells, " | "), "a table that is not understood: "+why)
		return
	}
	r := &tableReader{assembler: a, t: t, at: at, mark: len(a.flows)}
	if a.pair != nil {
		a.pair.used = true
		if !a.pair.pointed && !at.has(fromColumn) && !at.has(toColumn) && !at.has(pairColumn) {
			a.leave(a.pair.line, t.last, a.pair.text, "the line between the two roles has no arrow's point, so nothing says who opens")
			return
		}
	}
	if t.dropped > 0 {
		a.leave(t.first, t.last, "", fmt.Sprintf("%d rows beyond the %d that are read of a document", t.dropped, maxRows))
	}
	for _, row := range t.rows {
		if why := r.row(row); why != "" {
			a.leave(row.first, row.last, strings.Join(row.cells, " | "), why)
		}
	}
	r.announce()
}

// row makes the flows of a row; why says why there are none.
func (r *tableReader) row(row row) (why string) {
	ports, protos, why := r.service(row)
	if why != "" {
		return why
	}
	e, why := r.ends(row)
	if why != "" {
		return why
	}
	for _, g := range ports.groups {
		for _, proto := range protosOf(g, protos, ports.labels) {
			f := r.flow(e, proto, g, &ports)
			r.describe(f, row, &ports)
			r.need(f, row, &ports)
			r.sourcePorts(f, row)
			r.add(f)
		}
	}
	return ""
}

// service reads the ports of a row, and the transports of its column of protocols.
func (r *tableReader) service(row row) (p printedPorts, protos []string, why string) {
	if !r.at.has(portsColumn) {
		p, why = r.byTransport(row)
		return p, nil, why
	}
	var labels []string
	if text := r.at.of(row, protocolColumn); !isNothing(text) {
		if protos, labels, p.choice, why = parseTransports(text); why != "" {
			return p, nil, "protocol: " + why
		}
	}
	cell := r.at.of(row, portsColumn)
	if isNothing(cell) {
		if !slices.ContainsFunc(protos, func(s string) bool { return slices.Contains(portless, s) }) || len(protos) > 1 {
			return p, nil, "no port"
		}
		p.groups = []group{{protos: protos}}
		return p, nil, ""
	}
	choice := p.choice
	if p, why = parsePorts(cell); why != "" {
		return p, nil, "port: " + why
	}
	p.choice = p.choice || choice
	p.labels = append(p.labels, labels...)
	for _, g := range p.groups {
		switch {
		case len(g.protos) > 0 && len(protos) > 0 && !subset(g.protos, protos):
			return p, nil, "the transport beside the port is not that of the protocol"
		case len(g.protos) == 0 && slices.ContainsFunc(protos, func(s string) bool { return slices.Contains(portless, s) }):
			return p, nil, "a protocol without ports has ports"
		}
	}
	return p, protos, ""
}

func subset(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// byTransport reads a row of a table with a column for UDP and one for TCP.
func (r *tableReader) byTransport(row row) (all printedPorts, why string) {
	service := firstWord(r.title(row))
	for _, c := range []struct {
		is    column
		proto string
	}{{udpColumn, "udp"}, {tcpColumn, "tcp"}} {
		cell := r.at.of(row, c.is)
		if isNothing(cell) {
			continue
		}
		p, why := parsePorts(cell)
		if why != "" {
			return all, strings.ToUpper(c.proto) + ": " + why
		}
		for _, g := range p.groups {
			if len(g.protos) > 0 && !slices.Equal(g.protos, []string{c.proto}) {
				return all, "another transport in the column of " + strings.ToUpper(c.proto)
			}
			g.protos = []string{c.proto}
			all.groups = append(all.groups, g)
		}
		all.choice, all.configurable = all.choice || p.choice, all.configurable || p.configurable
		all.labels = append(all.labels, p.labels...)
		all.remark = strings.Trim(all.remark+"; "+p.remark, "; ")
	}
	switch {
	case len(all.groups) == 0:
		return all, "no port"
	case len(all.groups) == 1 && service != "https" && only[service] != "" && only[service] != all.groups[0].protos[0]:
		return all, fmt.Sprintf("%s in the column of %s", strings.ToUpper(service), strings.ToUpper(all.groups[0].protos[0]))
	}
	return all, ""
}

var joints = regexp.MustCompile(`[\s/,&+|]+`)

// parseTransports reads the cell of a column of protocols: transports, or services that run over one only.
func parseTransports(cell string) (protos, labels []string, choice bool, why string) {
	for _, word := range joints.Split(fold(strings.NewReplacer("(", " ", ")", " ").Replace(cell)), -1) {
		switch {
		case word == "or" || word == "ou":
			choice = true
		case word == "and" || word == "et" || word == "":
		case transports[word] != "":
			if !slices.Contains(protos, transports[word]) {
				protos = append(protos, transports[word])
			}
		case only[word] != "" || ciphers[word] != "" || slices.Contains(services, word):
			labels = append(labels, word)
		default:
			return nil, nil, false, fmt.Sprintf("the word %q", clean(word, 40))
		}
	}
	return protos, labels, choice, ""
}

// ends reads who opens connections to whom: from the columns of the row, else from the heading above.
func (r *tableReader) ends(row row) (e ends, why string) {
	dir := parseDirection(r.at.of(row, directionColumn))
	if r.at.has(scopeColumn) {
		text := fold(r.at.of(row, scopeColumn))
		if e.scope = scopes[text]; e.scope == "" && !isNothing(text) {
			return e, fmt.Sprintf("range: %q", clean(text, 40))
		}
	}
	defer func() {
		if e.scope == "both" || e.scope == "wan" && dir == inbound {
			e.scope = ""
		}
	}()
	e.either = dir == bothWays
	remote := strings.TrimSpace(r.at.of(row, hostColumn) + " " + r.at.of(row, addressColumn))
	switch {
	case r.at.has(pairColumn) && !isNothing(r.at.of(row, pairColumn)):
		p, ok := parsePair(r.at.of(row, pairColumn))
		if !ok || !p.pointed || p.rest != "" {
			return e, "no arrow between two roles"
		}
		e.from, e.to, e.either = r.roles.printed(p.from, originatorNotStated), r.roles.printed(p.to, responderNotStated), p.either
	case r.at.has(fromColumn) || r.at.has(toColumn):
		r.named(&e, row, dir, remote)
	case r.at.has(directionColumn):
		if dir == unknown {
			return e, fmt.Sprintf("direction: %q", clean(r.at.of(row, directionColumn), 40))
		}
		r.seenFromProduct(&e, dir, remote)
	case remote != "" && !isNothing(remote):
		e.from, e.to = r.originator(), r.roles.printed(remote, responderNotStated)
	case r.pair != nil:
		e.from, e.to, e.either = r.roles.printed(r.pair.from, originatorNotStated), r.roles.printed(r.pair.to, responderNotStated), r.pair.either
	default:
		e.from, e.to = r.roles.open(originatorNotStated), r.roles.open(responderNotStated)
	}
	return e, ""
}

// named gives a row that names an end its ends. Where the table has no column for the other one, a direction says that it is the product.
func (r *tableReader) named(e *ends, row row, dir direction, remote string) {
	from, to := r.at.of(row, fromColumn), r.at.of(row, toColumn)
	if !r.at.has(toColumn) {
		to = remote
	}
	nobody, nowhere := originatorNotStated, responderNotStated
	if !r.at.has(fromColumn) && (dir == outbound || dir == bothWays) {
		nobody = productRole
	}
	if !r.at.has(toColumn) && (dir == inbound || dir == bothWays) {
		nowhere = productRole
	}
	e.from, e.to = r.roles.printed(from, nobody), r.roles.printed(to, nowhere)
}

// seenFromProduct gives a row with a direction its ends: the product, and the other side as far as the row says which.
func (r *tableReader) seenFromProduct(e *ends, dir direction, remote string) {
	product := r.roles.open(productRole)
	other := "any"
	switch {
	case remote != "" && !isNothing(remote):
		other = r.roles.printed(remote, responderNotStated)
	case e.scope == "wan":
		other = "internet"
	case e.scope == "lan":
		other = r.roles.open(lanRole)
	}
	e.from, e.to = product, other
	if dir == inbound || dir == bothWays && other != "internet" {
		e.from, e.to = other, product
	}
}

func (r *tableReader) title(row row) string {
	for _, c := range []column{nameColumn, titleColumn} {
		if text := r.at.of(row, c); !isNothing(text) {
			return text
		}
	}
	return ""
}

func firstWord(s string) string {
	s = fold(s)
	if i := strings.IndexFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }); i >= 0 {
		return s[:i]
	}
	return s
}

// describe gives a flow its title, note, encryption and citation.
func (r *tableReader) describe(f *rules.Flow, row row, p *printedPorts) {
	printed := clean(plain(strings.Join([]string{r.at.of(row, portsColumn), r.at.of(row, udpColumn), r.at.of(row, tcpColumn)}, " ")), 200)
	title := r.title(row)
	if title != "" {
		f.Title = clean(plain(title), 200)
	} else {
		f.Title = printed
	}
	var notes []string
	if text := r.at.of(row, titleColumn); text != title && !isNothing(text) {
		notes = append(notes, plain(text))
	}
	if text := r.at.of(row, noteColumn); !isNothing(text) {
		notes = append(notes, plain(text))
	}
	if f.Note != "" {
		notes = append(notes, f.Note)
	}
	f.Note = clean(strings.Join(notes, " / "), 1000)
	f.Configurable = f.Configurable || configurable.MatchString(fold(p.remark)) && !strings.Contains(fold(p.remark), "non configurable") && !strings.Contains(fold(p.remark), "not configurable")
	r.encryption(f, row, firstWord(title))
	f.Cite = r.cites(row, clean(f.Title, 80))
}

var configurable = regexp.MustCompile(`ports? alternatif|alternat(e|ive) port|configurable|custom port|port personnalise`)

// cites names the heading, the header and the row, which is the last.
func (r *tableReader) cites(row row, section string) []rules.Cite {
	var list []rules.Cite
	switch {
	case r.pair != nil && !r.at.has(fromColumn) && !r.at.has(toColumn):
		list = append(list, cite(r.pair.line, r.pair.line, r.pair.text))
	case r.section != "":
		section = clean(r.section, 80) + ": " + section
	}
	list = append(list, cite(r.t.header.first, r.t.header.last, "header of the table"))
	for _, line := range row.above {
		list = append(list, cite(line, line, "a cell that reaches down"))
	}
	return append(list, cite(row.first, row.last, section))
}

// cite names lines of the document.
func cite(first, last int, section string) rules.Cite {
	c := rules.Cite{Document: documentID, Lines: fmt.Sprint(first), Section: clean(section, 160)}
	if last > first {
		c.Lines = fmt.Sprintf("%d-%d", first, last)
	}
	return c
}

// documentID is the name by which flows cite the document.
const documentID = "document"

func (r *tableReader) encryption(f *rules.Flow, row row, service string) {
	if c := ciphers[service]; c != "" && f.Encryption == "" {
		f.Encryption, f.EncryptionProtocols = "required", []string{c}
	}
	text := fold(r.at.of(row, encryptionColumn))
	switch {
	case f.Encryption != "" || f.Proto != "" && f.Proto != "tcp" && f.Proto != "udp":
	case needs[text] == "required":
		f.Encryption = "required"
	case strings.HasPrefix(text, "tls") || strings.HasPrefix(text, "mtls") || strings.HasPrefix(text, "ssh"):
		word := firstWord(text)
		if word == "tls" || word == "mtls" || word == "ssh" {
			f.Encryption, f.EncryptionProtocols = "required", []string{word}
		}
	}
}

// need reads whether the flow is required; a row that says "in some cases" gets a condition of its own.
func (r *tableReader) need(f *rules.Flow, row row, p *printedPorts) {
	c, optional := needColumn, r.at.has(optionalColumn) && !r.at.has(needColumn)
	if optional {
		c = optionalColumn
	}
	text := r.at.of(row, c)
	if !r.at.has(c) || isNothing(text) {
		return
	}
	need := parseNeed(text, optional)
	switch {
	case need == "":
		r.leave(row.first, row.last, text, "the flow is drafted, but not whether it is required")
	case p.choice && need == "required":
		f.Note = strings.TrimPrefix(f.Note+" / Required, but the document lets one of several protocols do, which a pack cannot say.", " / ")
	case need == "conditional":
		f.Need, f.Condition = need, r.condition(row, f)
	default:
		f.Need = need
	}
}

// condition is the condition of a row, the same for all flows of the row.
func (r *tableReader) condition(row row, f *rules.Flow) string {
	name := fmt.Sprintf("line-%d-applies", row.first)
	if n := len(r.conditions); n > 0 && r.conditions[n-1].Name == name {
		return name
	}
	title := clean(plain(r.at.of(row, noteColumn)), 400)
	if title == "" {
		title = fmt.Sprintf("What line %d of the document makes its condition: %s", row.first, f.Title)
	}
	r.conditions = append(r.conditions, rules.Condition{Name: name, Title: title, Default: "unknown"})
	return name
}

// sourcePorts reads the column of source ports; what it cannot be read as is noted.
func (r *tableReader) sourcePorts(f *rules.Flow, row row) {
	text := r.at.of(row, sourcePortColumn)
	if isNothing(text) || len(f.Ports) == 0 {
		return
	}
	p, why := parsePorts(text)
	switch {
	case why == "" && len(p.groups) == 1 && slices.Equal(p.groups[0].ports, []string{"dynamic"}):
		f.SourcePorts = "ephemeral"
	case why == "" && len(p.groups) == 1 && len(p.groups[0].ports) == 1:
		f.SourcePorts = p.groups[0].ports[0]
	default:
		r.leave(row.first, row.last, text, "the flow is drafted, but not its source ports")
	}
}

// announce says of the dynamic ports of RPC in a table that has the endpoint mapper beside them that it announces them.
func (r *tableReader) announce() {
	mapped := slices.ContainsFunc(r.flows[r.mark:], func(f *rules.Flow) bool { return f.Proto == "tcp" && slices.Contains(f.Ports, "135") })
	for _, f := range r.flows[r.mark:] {
		if mapped && f.Proto == "tcp" && slices.Equal(f.Ports, []string{"dynamic"}) && firstWord(f.Title) == "rpc" {
			f.AnnouncedBy = "rpc-endpoint-mapper"
		}
	}
}
