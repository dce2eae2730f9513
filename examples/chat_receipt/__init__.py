"""A chat page in Streamlit with a receipt that grows as you talk."""
