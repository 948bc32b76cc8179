package capture

// Option codes (draft-ietf-opsawg-pcapng sections 3.5 and 4). Codes below comment differ by block.
const (
	optionEnd     = 0
	optionComment = 1

	sectionHardware    = 2
	sectionOS          = 3
	sectionApplication = 4

	interfaceName        = 2
	interfaceDescription = 3
	interfaceResolution  = 9
	interfaceFilter      = 11
	interfaceOS          = 12
	interfaceFCS         = 13
	interfaceOffset      = 14

	packetDropCount = 4

	statisticsReceived       = 4
	statisticsDropped        = 5
	statisticsFilterAccepted = 6
	statisticsDroppedByOS    = 7
	statisticsDelivered      = 8
)

// microseconds is the resolution where an interface states none.
const microseconds = 6

// optionList are the options of a packet as they lie in its block; valid as long as the packet's data.
type optionList struct {
	bytes []byte
	swap  bool // see ngReader
}

// option takes the next option off the list; ok is false at its end. An option that claims more bytes than there are ends the list and is counted.
func (p *ngReader) option(list []byte) (code uint16, value, rest []byte, ok bool) {
	if len(list) < 4 {
		return 0, nil, nil, false
	}
	code = p.u16(list)
	length := int(p.u16(list[2:]))
	if code == optionEnd {
		return 0, nil, nil, false
	}
	if 4+padded(uint32(length)) > len(list) {
		p.in.BadOptions++
		return 0, nil, nil, false
	}
	if code == optionComment {
		p.in.Comments++
	}
	return code, list[4 : 4+length], list[4+padded(uint32(length)):], true
}

// fixed says whether a value has its only right length, else counts it as bad.
func (p *ngReader) fixed(value []byte, length int) bool {
	if len(value) != length {
		p.in.BadOptions++
		return false
	}
	return true
}

func (p *ngReader) sectionOptions(list []byte) {
	set := func(s *string, value []byte) {
		if *s == "" {
			*s = cleanText(value)
		}
	}
	for code, value, list, ok := p.option(list); ok; code, value, list, ok = p.option(list) {
		switch code {
		case sectionHardware:
			set(&p.in.Hardware, value)
		case sectionOS:
			set(&p.in.OS, value)
		case sectionApplication:
			set(&p.in.Application, value)
		}
	}
}

func (p *ngReader) interfaceOptions(i *Interface, list []byte) tickClock {
	resolution := uint8(microseconds)
	for code, value, list, ok := p.option(list); ok; code, value, list, ok = p.option(list) {
		switch code {
		case interfaceName:
			i.Name = cleanText(value)
		case interfaceDescription:
			i.Description = cleanText(value)
		case interfaceOS:
			i.OS = cleanText(value)
		case interfaceFilter:
			switch {
			case len(value) == 0:
				p.in.BadOptions++
			case value[0] == 0:
				i.Filter = cleanText(value[1:])
			default:
				i.Filter = "(compiled filter program)"
			}
		case interfaceResolution:
			if p.fixed(value, 1) {
				resolution = value[0]
			}
		case interfaceOffset:
			if p.fixed(value, 8) {
				i.TimeOffset = int64(p.u64(value))
			}
		case interfaceFCS:
			if p.fixed(value, 1) {
				i.FCS = int(value[0])
			}
		}
	}
	clock, text := newTickClock(resolution, i.TimeOffset)
	i.Resolution = text
	return clock
}

func (p *ngReader) packetOptions(r *record, list []byte) {
	whole, comments := list, p.in.Comments
	for code, value, list, ok := p.option(list); ok; code, value, list, ok = p.option(list) {
		if code == packetDropCount && p.fixed(value, 8) {
			p.noteDrops(p.u64(value))
		}
	}
	if p.in.Comments != comments {
		p.commented = append(p.commented, optionList{whole, p.swap})
		r.commented = uint16(len(p.commented))
	}
}

func (p *ngReader) statisticsOptions(i *Interface, list []byte) {
	for code, value, list, ok := p.option(list); ok; code, value, list, ok = p.option(list) {
		var to **uint64
		switch code {
		case statisticsReceived:
			to = &i.Received
		case statisticsDropped:
			to = &i.Dropped
		case statisticsFilterAccepted:
			to = &i.FilterAccepted
		case statisticsDroppedByOS:
			to = &i.DroppedByOS
		case statisticsDelivered:
			to = &i.Delivered
		default:
			continue
		}
		if p.fixed(value, 8) {
			n := p.u64(value)
			*to = &n
		}
	}
}
