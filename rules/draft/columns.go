package draft

import (
	"fmt"
	"regexp"
	"slices"
	"sync"
)

// column is what a column of a table says.
type column uint8

const (
	noColumn column = iota
	portsColumn
	udpColumn
	tcpColumn
	protocolColumn
	sourcePortColumn
	fromColumn
	toColumn
	pairColumn // both ends with an arrow between
	directionColumn
	scopeColumn
	needColumn
	optionalColumn
	nameColumn // of the service
	titleColumn
	noteColumn
	encryptionColumn
	hostColumn // names of the responder
	addressColumn
	rangeColumn // of ports, or inside and outside: the cells decide
)

// header is the words over a column.
type header struct {
	is   column
	form *regexp.Regexp
}

// headers are those in English and French, folded; the first that fits counts. Most commands never need them.
var headers = sync.OnceValue(func() []header {
	return []header{
		{udpColumn, regexp.MustCompile(`^(udp|udp ports?|ports? udp)$`)},
		{tcpColumn, regexp.MustCompile(`^(tcp|tcp ports?|ports? tcp)$`)},
		{sourcePortColumn, regexp.MustCompile(`^((source|src|client) ports?( range)?|ports? (sources?|d'origine|client|src)|ports? de (la )?source)$`)},
		{rangeColumn, regexp.MustCompile(`^(etendue( de| des)? ports?|etendue|port scope|scope|portee|port ranges?|plages? de ports?|network|reseau)$`)},
		{directionColumn, regexp.MustCompile(`^(direction|sens|traffic direction|sens du (flux|trafic)|in/out|(inbound|in|incoming|entrant|entree)( ?/ ?| ou | or | / )(outbound|out|outgoing|sortant|sortie)|(outbound|out|outgoing|sortant|sortie)( ?/ ?| ou | or )(inbound|in|incoming|entrant|entree)|direction (du trafic|du flux))$`)},
		{needColumn, regexp.MustCompile(`^(obligatoire|required|mandatory|requise?|necessaire|needed|need|is required|required/optional|obligatoire/facultatif|required or optional)$`)},
		{optionalColumn, regexp.MustCompile(`^(optional|optionnel|facultatif)$`)},
		{protocolColumn, regexp.MustCompile(`^(protocols?|protocoles?|transport|transports|(transport|ip|network|l4|layer 4) protocol|protocole (de transport|reseau|ip)|(tcp|udp)( ?/ ?| ou | or )(tcp|udp)|type de protocole|protocol type)$`)},
		{portsColumn, regexp.MustCompile(`^([a-z0-9() '/°#,.&-]*[ /(])?ports?(\(s\))?([ /)#][a-z0-9() '/°#,.&-]*)?$`)},
		{pairColumn, regexp.MustCompile(`^(flow|flux|communication|communication path|connection|connexion|path|between)s?$`)},
		{fromColumn, regexp.MustCompile(`^(from|de|depuis|src|initiator|initiated by|originator|origine|emetteur|initiateur|client|(.* )?source( .*)?)$`)},
		{toColumn, regexp.MustCompile(`^(to|vers|a|dst|dest|target|cible|destinataire|responder|listener|server|serveur|(.* )?destination( .*)?)$`)},
		{hostColumn, regexp.MustCompile(`^(hosts?|host ?names?|hotes?|noms? d'hotes?|fqdns?|urls?|domains?|domaines?|domain names?|noms? de domaine|endpoints?|server names?|addresses? \(fqdn\))$`)},
		{addressColumn, regexp.MustCompile(`^(ips?|ip address(es)?|adresses? ip|address|addresses|adresses?|subnets?|sous-reseaux?|ip ranges?)$`)},
		{nameColumn, regexp.MustCompile(`^(services?|applications?|application protocol|protocole applicatif|service names?|nom du service|name|nom|rule|regle)$`)},
		{titleColumn, regexp.MustCompile(`^(descriptions?|purpose|usage|used for|use|utilisation|objet|fonction|function|roles?|details|reason|justification|motif)$`)},
		{noteColumn, regexp.MustCompile(`^(notes?|remarks?|remarques?|comments?|commentaires?|observations?|additional information|informations? complementaires?)$`)},
		{encryptionColumn, regexp.MustCompile(`^(encrypted|encryption|chiffree?|chiffrement|tls|ssl)$`)},
	}
})

func headerOf(cell string) column {
	text := fold(cell)
	for _, h := range headers() {
		if h.form.MatchString(text) {
			return h.is
		}
	}
	return noColumn
}

// layout is where a table has what; a column that it does not have is -1.
type layout map[column]int

func (l layout) has(c column) bool { _, ok := l[c]; return ok }

// of is the cell of a row in a kind of column, "" without one.
func (l layout) of(r row, c column) string {
	if at, ok := l[c]; ok {
		return r.cell(at)
	}
	return ""
}

// recognise finds the columns of a table; why says what makes its ports unreadable.
func recognise(t *table) (l layout, why string) {
	l = layout{}
	if len(t.header.cells) >= maxColumns {
		return l, fmt.Sprintf("%d columns or more", maxColumns)
	}
	for i, cell := range t.header.cells {
		is := headerOf(cell)
		if is == rangeColumn {
			is = rangeOf(t, i)
		}
		if is == noColumn {
			continue
		}
		if l.has(is) {
			if slices.Contains([]column{portsColumn, udpColumn, tcpColumn, protocolColumn, fromColumn, toColumn, directionColumn}, is) {
				return l, "two columns that may be meant: " + clean(t.header.cell(l[is]), 40) + ", " + clean(cell, 40)
			}
			continue
		}
		l[is] = i
	}
	switch {
	case l.has(portsColumn) && (l.has(udpColumn) || l.has(tcpColumn)):
		return l, "a column of ports beside one of a transport"
	case !l.has(portsColumn) && !l.has(udpColumn) && !l.has(tcpColumn):
		return l, "no column of ports"
	}
	return l, ""
}

// rangeOf decides by its cells what a column named a range is: inside and outside, ports, or neither.
func rangeOf(t *table, at int) column {
	sides, ports := true, true
	for _, r := range t.rows {
		text := r.cell(at)
		if isNothing(text) {
			continue
		}
		_, side := scopes[fold(text)]
		_, why := parsePorts(text)
		sides, ports = sides && side, ports && why == ""
	}
	switch {
	case sides:
		return scopeColumn
	case ports:
		return portsColumn
	}
	return noColumn
}
