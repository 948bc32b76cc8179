package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// host is one end of conversations. Known ones stand in the site file, with their addresses and roles.
type host struct {
	name        string
	known       bool
	os          string
	roles       []string
	four        [4]byte
	six         [16]byte
	dual        bool // has six as well
	mac         [6]byte
	vlan        uint16
	hops        uint8
	first, last uint16 // source ports
	next        uint16 // the next one of them
}

// port is the host's next source port. They are used in turn, so the same ends meet again on the same ports only after a whole round.
func (h *host) port() uint16 {
	p := h.next
	if h.next++; p == h.last {
		h.next = h.first
	}
	return p
}

// network is all hosts, by group.
type network struct {
	hosts  []*host
	groups map[string][]*host
}

// add makes n hosts of a group with addresses from 172.16.third.10 on. Every second one has an IPv6 address too; servers (n below 10) all have.
func (n *network) add(group string, count, third int, os string, roles ...string) {
	for i := range count {
		h := n.host(fmt.Sprintf("%s-%d", group, i+1), os, [4]byte{172, 16, byte(third + i/200), byte(10 + i%200)})
		h.known, h.roles = true, roles
		h.dual = count < 10 || i%2 == 0
		n.groups[group] = append(n.groups[group], h)
	}
}

// outside makes hosts that the site file does not list.
func (n *network) outside(group string, count int, first [4]byte) {
	for i := range count {
		a := first
		a[3] += byte(i)
		n.groups[group] = append(n.groups[group], n.host(fmt.Sprintf("%s-%d", group, i+1), "linux", a))
	}
}

func (n *network) host(name, os string, four [4]byte) *host {
	h := &host{name: name, os: os, four: four, hops: 64, first: 32768, last: 60999}
	if os == "windows" {
		h.hops, h.first, h.last = 128, 49152, 65535
	}
	h.next = h.first + uint16(len(n.hosts)*37%8000)
	h.mac = [6]byte{2, 0, four[0], four[1], four[2], four[3]}
	copy(h.six[:], []byte{0x20, 0x01, 0x0d, 0xb8, 0, 0x20})
	copy(h.six[12:], four[:])
	if four[0] == 172 && four[2]%3 == 0 {
		h.vlan = 100 + uint16(four[2])
	}
	n.hosts = append(n.hosts, h)
	return h
}

// of is the hosts of groups, in order.
func (n *network) of(groups ...string) []*host {
	var all []*host
	for _, g := range groups {
		if len(n.groups[g]) == 0 {
			panic("no group " + g) // a misprint in this program
		}
		all = append(all, n.groups[g]...)
	}
	return all
}

const (
	acronisAgent = "acronis-abr-11.5/agent"
	client       = "configmgr-2012/client"
	lyncClient   = "lync-2013-director/internal-client"
	ibmAgent     = "ibm-cloud-backup/agent"
	member       = "ad-member/domain-member"
	monitored    = "monitoring/monitored-host"
	lanHost      = "lan-control/lan-host"
	sshHost      = "remote-admin/ssh-host"
)

// newNetwork is a company with 1,000 hosts, and a few that are not its own.
func newNetwork() *network {
	n := &network{groups: map[string][]*host{}}
	n.add("dc", 2, 0, "windows", "ad-member/domain-controller", "configmgr-2012/domain-controller", "configmgr-2012/global-catalog", "dns-ntp-dhcp/dns-server", "dns-ntp-dhcp/ntp-server")
	n.add("ams", 1, 1, "windows", "acronis-abr-11.5/management-server", member)
	n.add("node", 4, 2, "windows", "acronis-abr-11.5/storage-node", member)
	n.add("console", 2, 3, "windows", "acronis-abr-11.5/console", "configmgr-2012/console", member)
	n.add("site", 1, 4, "windows", "configmgr-2012/site-server", member)
	n.add("sql", 1, 5, "windows", "configmgr-2012/sql-server", member)
	n.add("mp", 2, 6, "windows", "configmgr-2012/management-point", member)
	n.add("dp", 4, 7, "windows", "configmgr-2012/distribution-point", member)
	n.add("sup", 1, 8, "windows", "configmgr-2012/software-update-point", member)
	n.add("vip", 1, 9, "windows", "lync-2013-director/director-vip")
	n.add("dir", 2, 10, "windows", "lync-2013-director/director", member)
	n.add("fe", 3, 11, "windows", "lync-2013-director/front-end", member)
	n.add("edge", 1, 12, "windows", "lync-2013-director/edge-internal", member)
	n.add("vault", 2, 13, "linux", "ibm-cloud-backup/vault")
	n.add("central", 1, 14, "windows", "ibm-cloud-backup/central-control", member)
	n.add("box", 4, 15, "linux", "azure-data-box/edge-device")
	n.add("monitor", 2, 16, "linux", "monitoring/monitor", "monitoring/trap-receiver", lanHost)
	n.add("syslog", 1, 17, "linux", "monitoring/syslog-server")
	n.add("jump", 2, 18, "linux", "remote-admin/admin-workstation")
	n.add("win", 500, 20, "windows", acronisAgent, client, lyncClient, member, monitored, lanHost)
	n.add("lin", 150, 30, "linux", acronisAgent, monitored, lanHost, sshHost)
	n.add("ibm-win", 150, 40, "windows", ibmAgent, client, member, monitored, lanHost)
	n.add("ibm-lin", 123, 50, "linux", ibmAgent, monitored, lanHost, sshHost)
	n.add("lab", 40, 60, "windows", "azure-data-box/lan-client", client, member, monitored, lanHost)
	n.outside("portal", 1, [4]byte{10, 0, 82, 12})
	n.outside("cloud", 20, [4]byte{203, 0, 113, 10})
	n.outside("stranger", 10, [4]byte{198, 51, 100, 10})
	n.outside("guest", 8, [4]byte{172, 16, 99, 10})
	return n
}

var conditions = []string{
	"acronis-abr-11.5/managed-vaults-used", "configmgr-2012/client-http", "configmgr-2012/client-https", "configmgr-2012/client-notification",
	"configmgr-2012/wsus-http", "configmgr-2012/domain-clients", "azure-data-box/smb-used",
}

// site writes the site file of the network's known hosts, and of others that take part in nothing.
func (n *network) site(w io.Writer, silent int) error {
	var b strings.Builder
	b.WriteString("name: generated\nnetworks: [172.16.0.0/16, \"2001:db8:20::/48\"]\nhosts:\n")
	for _, h := range n.hosts {
		if !h.known {
			continue
		}
		addresses := fmt.Sprintf("%d.%d.%d.%d", h.four[0], h.four[1], h.four[2], h.four[3])
		if h.dual {
			tail := h.six[12:]
			addresses += fmt.Sprintf(", \"2001:db8:20::%x:%x\"", binary.BigEndian.Uint16(tail), binary.BigEndian.Uint16(tail[2:]))
		}
		fmt.Fprintf(&b, "  - {name: %s, addresses: [%s], os: %s, roles: [%s]}\n", h.name, addresses, h.os, strings.Join(h.roles, ", "))
	}
	for i := range silent {
		fmt.Fprintf(&b, "  - {name: silent-%d, addresses: [10.99.%d.%d], os: linux, roles: [%s]}\n", i, i>>8, i&0xff, monitored)
	}
	b.WriteString("conditions:\n")
	for _, c := range conditions {
		fmt.Fprintf(&b, "  - {name: %s, state: \"on\"}\n", c)
	}
	b.WriteString("ports:\n  - {flow: ibm-cloud-backup/agent-backs-up-to-vault, ports: [\"2546\"], source: welcome letter of the service, approver: backup team}\n")
	_, err := io.WriteString(w, b.String())
	return err
}
