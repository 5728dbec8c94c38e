package app

import (
	"sync"

	"github.com/retainrabbit/retainrabbit/domain"
)

// maxFlows bounds how many flows are remembered.
const maxFlows = 10_000

// flowCache remembers the flows that sessions start in, as they were last read. It
// may be out of date: the store checks each start against the flow as it is.
type flowCache struct {
	mu    sync.RWMutex
	flows map[flowName]domain.Flow
}

// flowName is what was asked for; without an id it is the workspace's active flow.
type flowName struct {
	workspace domain.WorkspaceID
	id        domain.FlowID
}

func (c *flowCache) get(ws domain.WorkspaceID, id domain.FlowID) (domain.Flow, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	flow, ok := c.flows[flowName{ws, id}]
	return flow, ok
}

func (c *flowCache) put(ws domain.WorkspaceID, id domain.FlowID, flow domain.Flow) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flows == nil || len(c.flows) >= maxFlows {
		c.flows = map[flowName]domain.Flow{}
	}
	c.flows[flowName{ws, id}] = flow
}

func (c *flowCache) forget(ws domain.WorkspaceID, id domain.FlowID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flows, flowName{ws, id})
}
