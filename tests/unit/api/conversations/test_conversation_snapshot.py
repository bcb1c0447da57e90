from __future__ import annotations

from api.conversations.conversation_snapshot import ConversationUrls


def test_links_are_paths_of_the_api_and_the_page_of_the_workflow() -> None:
    links = ConversationUrls.of("http://localhost:8233/", "default").links("conversation-a/b")
    assert links == {
        "self": "/api/v1/conversations/conversation-a%2Fb",
        "turns": "/api/v1/conversations/conversation-a%2Fb/turns",
        "transcript": "/api/v1/conversations/conversation-a%2Fb/transcript",
        "temporal_ui": "http://localhost:8233/namespaces/default/workflows/conversation-a%2Fb",
    }
