-- A call's sound may go from Twilio straight to the agent's program.

-- +goose Up
ALTER TABLE voice_agents DROP CONSTRAINT voice_agents_transport_check,
    ADD CONSTRAINT voice_agents_transport_check CHECK (transport IN ('conversationrelay', 'stream', 'direct'));
