// Package domain holds the rules of a cancel flow, and nothing else: no clock,
// no randomness, no context, no storage, no HTTP. Times, ids and random bytes
// are handed in by the caller, so every rule is a function of its arguments.
//
// # Glossary
//
//   - Workspace: one subscription business. Everything else belongs to one.
//   - Key: an API key of a workspace, live or test, read or read+write.
//   - Flow: the ordered steps that a customer who wants to cancel walks through.
//   - Step: a survey ("why?"), an offer, or the confirmation that ends the flow.
//   - Offer: what the business proposes instead: a discount, a pause, another plan,
//     a longer trial, a contact or a link. An offer may name the reasons it answers.
//   - Session: one customer's walk through one version of one flow. It starts
//     pending and is decided once, saved or canceled.
//   - Event: an append-only record of what a session showed and what was chosen.
//   - MRR: monthly recurring revenue, what the subscription pays a month.
//   - Recovered MRR: what a saved customer goes on paying a month, net of the offer.
//   - Save rate: saved / (saved + canceled). See [Tally.Definitions] for the others.
//
// Start with [NewFlow], [StartSession] and the methods of [Session].
package domain
